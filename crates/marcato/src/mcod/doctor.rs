//! `mcod doctor`: what keeps this host's node from its work: its files, its policy, its clock, the way
//! to the broker.

use marcato_core::Exit;
use marcato_core::limits::client::CONNECT_WAIT;
use marcato_core::limits::timing::SKEW;
use marcato_link::{Link, LinkConfig};
use marcato_node::shell::{self, Glance, LastChange, NodeConfig, Places};

use super::cli::DoctorArgs;
use super::node;
use crate::words::findings::Findings;
use crate::words::output::is_coloured;
use crate::words::{self, Failure, time};

/// Runs `mcod doctor`, and says how it ended.
pub fn main(args: &DoctorArgs) -> Exit {
    let mut findings = Findings::default();
    examine(args, &mut findings);
    let lines = match args.json {
        true => vec![findings.json().to_string()],
        false => findings.lines(is_coloured(), false),
    };
    words::answer(&(lines.join("\n") + "\n"), findings.exit())
}

fn examine(args: &DoctorArgs, findings: &mut Findings) {
    let file = args.places.config.join("node.toml");
    let places = Places::beside(&file, &args.places.state);
    let wrong = node::findings(&file, &places);
    for text in &wrong {
        findings.fail("files", Failure::new(Exit::Config, text));
    }
    if wrong.is_empty() {
        findings.ok("files", format_args!("all in {} are as they should be", file.display()));
    }
    let Ok(config) = node::read_config(&file) else { return };
    let glance = shell::glance(&config, &places);
    if glance.rules > 0 {
        let plural = if glance.rules == 1 { "rule" } else { "rules" };
        findings.ok("policy", format_args!("{} {plural}", glance.rules));
    }
    findings.ok("facts", format_args!("{} facts", glance.facts));
    clock(&glance, findings);
    match &glance.last {
        Some(last) => findings.ok("change", said(last)),
        None => findings.ok("change", "none has been taken lately"),
    }
    broker(config, findings);
}

/// A clock that reads less than what was verified before lets no order in.
fn clock(glance: &Glance, findings: &mut Findings) {
    let now = shell::now();
    if now + SKEW >= glance.clock_high {
        return findings.ok("clock", format_args!("it reads {now}"));
    }
    let text = format!("it reads {now}, and an order of {} was verified", glance.clock_high);
    findings.fail("clock", Failure::new(Exit::Config, text).hint("set it: timedatectl status"));
}

/// The last change in words.
fn said(last: &LastChange) -> String {
    let about = &last.about;
    let item = about.item.as_deref().map(|item| format!(" {item}")).unwrap_or_default();
    let age = time::about(shell::now().since(about.received));
    let end = match &last.end {
        None => "has not ended".to_owned(),
        Some(end) => {
            let reason = end.reason.map(|reason| format!(" {reason}")).unwrap_or_default();
            format!("{}{reason}", end.state)
        }
    };
    format!("{}{item} for {}, {age} ago: {end}", about.agent, about.caller)
}

fn broker(config: NodeConfig, findings: &mut Findings) {
    let named: Vec<&str> = config.broker.iter().map(marcato_link::ServerUrl::as_str).collect();
    let named = named.join(", ");
    let link = LinkConfig::client(config.broker.clone(), "mcod doctor".to_owned(), CONNECT_WAIT);
    let connected = super::runtime().and_then(|runtime| {
        let connected = runtime.block_on(async { Link::connect(&link).await.map(drop) });
        // A name that the system still looks up is not waited for.
        runtime.shutdown_background();
        connected.map_err(|error| Failure::new(Exit::Unavailable, format!("hub {error}")))
    });
    match connected {
        Ok(()) => findings.ok("broker", format_args!("{named} answers")),
        Err(failure) => findings.fail("broker", failure.hint("systemctl status mcod-hub, there")),
    }
}
