//! The shell of the hub: a connection to the broker, the clock and the log.

mod config;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use marcato_core::Timestamp;
use marcato_link::{Event as LinkEvent, Link, LinkConfig, LinkError, ServerUrl};

use crate::core::{Effect, Event, Hub, Refused, Said, Setup};

pub use config::HubConfig;

/// How long the hub waits at its end for what is still to be sent.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// Runs the registry over a broker until `shutdown` comes. Whether the broker is in this process or
/// elsewhere makes no difference; while it is away the hub waits for it.
///
/// # Errors
/// [`LinkError`] where the broker does not admit the hub, or what it sent ended the connection's own
/// task.
pub async fn run(
    setup: Setup,
    servers: Vec<ServerUrl>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), LinkError> {
    let name = format!("mcod hub {}", setup.collective);
    let mut link = Link::connect(&LinkConfig::hub(servers, name)).await?;
    let mut hub = Hub::new(setup, now());
    for subject in hub.subjects() {
        link.subscribe(subject).await?;
    }
    let mut shutdown = std::pin::pin!(shutdown);
    let mut wake = None;
    loop {
        let event = tokio::select! {
            biased;
            () = &mut shutdown => break,
            event = link.recv() => match event {
                LinkEvent::Ended => return Err(LinkError::NotConnected),
                event => match link_event(event) {
                Some(event) => event,
                None => continue,
            }},
            () = sleep_until(wake) => Event::Tick,
        };
        wake = None;
        for effect in hub.step(event, now()) {
            match effect {
                Effect::Publish(message) => {
                    // Who asked asks again; a late node is asked again by the registry itself.
                    if let Err(error) = link.publish(message).await {
                        tracing::debug!(%error, "not published");
                    }
                }
                Effect::WakeAt(at) => wake = Some(at),
                Effect::Log(said) => log(said),
            }
        }
    }
    tracing::info!(nodes = hub.nodes(), "the hub ends");
    link.close(CLOSE_WAIT).await;
    Ok(())
}

fn link_event(event: LinkEvent) -> Option<Event> {
    match event {
        LinkEvent::Connected => {
            tracing::info!("connected to the broker");
            Some(Event::Connected)
        }
        LinkEvent::Disconnected => {
            tracing::warn!("the connection to the broker is gone; it is being made again");
            Some(Event::Disconnected)
        }
        LinkEvent::Message(message) => Some(Event::Message(message)),
        LinkEvent::NoResponders { subject } => Some(Event::NoResponders(subject)),
        LinkEvent::Dropped => {
            tracing::warn!("messages came faster than they were taken, and some are lost");
            None
        }
        LinkEvent::Ended => None,
        LinkEvent::Refused(why) => {
            tracing::warn!(%why, "the broker refused");
            None
        }
    }
}

/// Sleeps until then. A node's lateness is a matter of seconds, so the system's clock, read anew
/// after each event, is good enough even where it is corrected meanwhile.
async fn sleep_until(at: Option<Timestamp>) {
    match at {
        Some(at) => tokio::time::sleep(at.since(now()).as_duration()).await,
        None => std::future::pending().await,
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn log(said: Said) {
    match said {
        Said::Joined(node) => tracing::info!(%node, "joined"),
        Said::Back(node) => tracing::info!(%node, "back"),
        Said::Down { node, since } => tracing::info!(%node, %since, "down"),
        Said::Left(node) => tracing::info!(%node, "left"),
        Said::KeyChanged { node, kept, other } => {
            tracing::warn!(%node, kept, other, "another key under this name; the one with the newer certificate is kept");
        }
        Said::Refused(Refused { subject, why, untold }) => {
            // It quotes what anybody may have sent.
            let why = why.to_string();
            tracing::warn!(subject, why = %why.escape_debug(), untold, "refused");
        }
        Said::Forgot(node) => {
            tracing::warn!(%node, "the registry is full; forgot the node that has been down longest");
        }
    }
}
