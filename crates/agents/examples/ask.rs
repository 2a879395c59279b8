//! Asks one agent of this host, without a fleet: `ask [--times N] AGENT ACTION [NAME=VALUE …]`.
//!
//! For hosts on which a service manager or a package database is to be tried by hand or by a
//! harness. With `--times` it asks again so often on the same connections and says what processor
//! time each took.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::sync::Arc;

use marcato_agent::Call;
use marcato_agent::runner::Voice;
use marcato_agents::{About, Platform, catalog};
use marcato_core::{Facts, OrderId, Timestamp};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let mut times = 0_u64;
    if words.first().is_some_and(|word| word == "--times") {
        words.remove(0);
        times = words.remove(0).parse()?;
    }
    let [agent, action, inputs @ ..] = words.as_slice() else {
        return Err("usage: ask [--times N] AGENT ACTION [NAME=VALUE …]".into());
    };
    let (agent, action) = (agent.parse()?, action.parse()?);
    let catalog = catalog(&Platform::Native, About::default())?;
    let declared = catalog.action(&agent, &action).ok_or("not on this host")?;
    let limit = catalog.get(&agent).ok_or("not on this host")?.ddl().metadata.timeout;
    let split = |word: &String| {
        let (name, value) = word.split_once('=').ok_or_else(|| format!("{word:?} has no ="))?;
        Ok::<_, String>((name.to_owned(), value.to_owned()))
    };
    let inputs: Vec<(String, String)> = inputs.iter().map(split).collect::<Result<_, _>>()?;
    let call = Call {
        order: OrderId::from_bytes([0; 16]),
        caller: "example".parse()?,
        collective: "example".parse()?,
        agent,
        action,
        inputs: declared.inputs_from_words(&inputs)?,
        issued: Timestamp::default(),
        limit,
        facts: Arc::new(Facts::new()),
        voice: Voice::default(),
    };
    println!("{}", serde_json::to_string_pretty(&catalog.call(&call).await)?);
    let before = busy_ns()?;
    for _ in 0..times {
        catalog.call(&call).await;
    }
    if let Some(each) = (busy_ns()? - before).checked_div(times) {
        println!("{} µs of processor time each", each / 1000);
    }
    Ok(())
}

/// For how long this thread has run, in nanoseconds.
fn busy_ns() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}
