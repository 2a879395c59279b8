//! `mco lab env` and `mco lab status`.

use marcato_client::shell::signer::{KeySigner, read_key_file};
use marcato_client::shell::{ClientSetup, Fleet, FleetError, Found};
use marcato_core::{Exit, Identity, Terms, Timestamp};
use marcato_protocol::keys::KeyFile;
use marcato_protocol::version::Spoken;

use super::layout::{CALLER, COLLECTIVE, Layout, quoted};
use crate::words::{self, Failure};

/// Runs `mco lab env`.
pub(super) fn env(lab: &Layout) -> Result<Exit, Failure> {
    let running = lab.running()?.filter(super::layout::Running::is_up);
    let address = running.and_then(|running| running.address).ok_or_else(|| lab.not_up())?;
    let text = format!(
        "export MARCATO_CONFIG={}\nexport MARCATO_BROKER='nats://{address}'\n",
        quoted(&lab.client_toml().display().to_string())
    );
    Ok(words::answer(&text, Exit::Ok))
}

/// Runs `mco lab status`.
pub(super) fn status(lab: &Layout) -> Result<Exit, Failure> {
    let running = lab.running()?.filter(|running| !running.processes.is_empty());
    let running = running.ok_or_else(|| lab.not_up())?;
    let mut text = format!("lab in {}\n", lab.dir.display());
    for process in &running.processes {
        let state = if process.lives() { "runs" } else { "has ended" };
        let log = lab.log(&format!("{}.log", process.what));
        text +=
            &format!("{:12} {state}, pid {}, log {}\n", process.what, process.pid, log.display());
    }
    if !running.is_up() {
        let failure = lab
            .failure(&"some of its processes have ended")
            .hint(format_args!("mco lab down --dir {0} && mco lab up --dir {0}", lab.word()));
        words::answer(&text, failure.exit);
        return Err(failure);
    }
    if let Some(address) = running.address {
        text += &format!("{:12} nats://{address}\n", "broker");
    }
    let Found { nodes, complete, .. } = registered(lab)?;
    if !complete {
        let failure = lab
            .failure(&"its registry does not answer")
            .hint(format_args!("see {}", lab.log("hub.log").display()));
        words::answer(&text, failure.exit);
        return Err(failure);
    }
    let down: Vec<&(Identity, Option<Timestamp>)> =
        nodes.iter().filter(|(_, down)| down.is_some()).collect();
    text += &format!("{:12} {} registered, {} down\n", "nodes", nodes.len(), down.len());
    for (node, _) in &nodes {
        text += &format!("  {node}\n");
    }
    for (node, since) in down {
        text += &format!("  {node} is down since {}\n", since.unwrap_or_default());
    }
    Ok(words::answer(&text, Exit::Ok))
}

/// The nodes that the lab's registry knows.
pub(super) fn registered(lab: &Layout) -> Result<Found, Failure> {
    let running = lab.running()?.unwrap_or_default();
    let address = running.address.ok_or_else(|| lab.not_up())?;
    let key = |name: &str| match read_key_file(&lab.path(name)) {
        Ok(KeyFile::Plain(key)) => Ok(key),
        Ok(KeyFile::Encrypted(_)) => Err(lab.failure(&format_args!("{name} has a passphrase now"))),
        Err(error) => Err(lab.failure(&error)),
    };
    let authority = key("authority")?;
    let operator = KeySigner::new(key("operator")?);
    let name = |text: &str| lab.failure(&format_args!("{text} is no name"));
    let setup = ClientSetup {
        collective: COLLECTIVE.parse().map_err(|_| name(COLLECTIVE))?,
        authority: authority.public().clone(),
        caller: CALLER.parse().map_err(|_| name(CALLER))?,
        servers: vec![format!("nats://{address}").parse().map_err(|_| name("broker"))?],
        known_nodes: lab.known_nodes(),
        spoken: Spoken::RELEASE,
    };
    let found = async {
        let mut fleet = Fleet::connect(setup).await?;
        let found = fleet.find(Terms::default(), &operator).await?;
        fleet.close().await?;
        Ok::<_, FleetError>(found)
    };
    crate::mco::block_on(async { found.await.map_err(|error| lab.failure(&error)) })
}
