//! The one place that opens a client connection to the fleet's broker: the official NATS client,
//! behind a door of our own.
//!
//! What the door adds: reconnects are spread by full jitter, so that a fleet does not come back as
//! one herd; nothing is published into a dead connection, where the client would keep it and deliver
//! it late; a broker's "nobody is connected there" is an event of its own and never a reply.

mod config;
mod convert;
mod news;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Subscriber};
use futures_util::StreamExt as _;
use futures_util::stream::SelectAll;
use marcato_core::limits::link as limits;
use marcato_protocol::message::Message;

pub use config::{LinkConfig, Patience, ServerError, ServerUrl};
use news::News;

/// What a link tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The connection stands, for the first time or again; subscriptions are in place.
    Connected,
    /// The connection is gone; it is being made again.
    Disconnected,
    /// A message came in on one of the subscriptions.
    Message(Message),
    /// Nobody listened to the message whose reply subject this is.
    NoResponders {
        /// The reply subject that the message carried.
        subject: String,
    },
    /// The program was too slow and the client threw messages away; told once in a while, however
    /// many.
    Dropped,
    /// The broker refused something, in its own words; told one by one, with a pause between.
    Refused(String),
    /// The client library has given up, and nothing comes any more: told once. Bytes of a broker's
    /// can have it panic (a message of 2^64 - 1 bytes, with async-nats 0.51); whoever lives on must
    /// start anew.
    Ended,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nobody answered in time.
    #[error("{server}: {why} (tried {tried_s} s)")]
    Unreachable {
        /// Host and port that was tried last.
        server: String,
        /// What the system said.
        why: String,
        /// For how long it was tried, in whole seconds.
        tried_s: u64,
    },
    /// The broker does not let us in.
    #[error("{server}: the broker does not admit this client: {why}")]
    NotAdmitted {
        /// Host and port.
        server: String,
        /// What the broker said.
        why: String,
    },
    /// There is no connection at the moment.
    #[error("not connected")]
    NotConnected,
    /// A message that cannot be put on the wire.
    #[error("the message for {subject} cannot be sent: {why}")]
    Unsendable {
        /// Where it should have gone.
        subject: String,
        /// Why it cannot.
        why: String,
    },
}

/// What is said of a broker that takes a connection, or nothing at all, and stays silent.
const NO_ANSWER: &str = "no answer";

/// A connection to a broker.
#[derive(Debug)]
pub struct Link {
    client: Client,
    news: Arc<News>,
    subscriptions: SelectAll<Subscriber>,
}

impl Link {
    /// Connects. With [`Patience::Forever`] it returns at once and [`Event::Connected`] says when
    /// the connection stands; with [`Patience::For`] it stands when this returns.
    ///
    /// # Errors
    /// [`LinkError::Unreachable`] when the patience ends, [`LinkError::NotAdmitted`] at once.
    pub async fn connect(config: &LinkConfig) -> Result<Self, LinkError> {
        let news = Arc::new(News::default());
        let client = match config.patience {
            Patience::Forever => Self::attempt(config, &news, true).await?,
            Patience::For(patience) => {
                let end = Instant::now() + patience.as_duration();
                // What a whole attempt met says more than that the last one was cut short.
                let mut met = config.unreachable(NO_ANSWER);
                loop {
                    let left = end.saturating_duration_since(Instant::now());
                    let attempt = Self::attempt(config, &news, false);
                    let result = tokio::time::timeout(left, attempt).await;
                    match result.unwrap_or_else(|_| Err(met.clone())) {
                        Ok(client) => break client,
                        Err(error @ LinkError::Unreachable { .. }) if Instant::now() < end => {
                            met = error;
                            tokio::time::sleep(limits::RETRY_PAUSE.min(left)).await;
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        };
        Ok(Self { client, news, subscriptions: SelectAll::new() })
    }

    async fn attempt(
        config: &LinkConfig,
        news: &Arc<News>,
        keep_trying: bool,
    ) -> Result<Client, LinkError> {
        let news = Arc::clone(news);
        // The client asks for a delay before its very first attempt too, where nobody comes back in
        // a herd and somebody waits.
        let stood = Arc::new(AtomicBool::new(false));
        let first = Arc::clone(&stood);
        let patience = config.patience;
        let delay = move |attempts| {
            let at_once = attempts <= 1 && !first.load(Ordering::Relaxed);
            if at_once { Duration::ZERO } else { config::reconnect_delay(attempts, patience) }
        };
        let mut options = ConnectOptions::new()
            .name(&config.name)
            .ignore_discovered_servers()
            .connection_timeout(limits::CONNECT_TIMEOUT)
            .ping_interval(limits::PING_EVERY)
            .subscription_capacity(config.pending_messages_max)
            .read_buffer_capacity(config.read_buffer_bytes)
            .reconnect_delay_callback(delay)
            .event_callback(move |event| {
                if event == async_nats::Event::Connected {
                    stood.store(true, Ordering::Relaxed);
                }
                if let Some(event) = convert::event(&event) {
                    news.tell(event);
                }
                std::future::ready(())
            });
        if keep_trying {
            options = options.retry_on_initial_connect();
        }
        let servers: Vec<&str> = config.servers.iter().map(ServerUrl::as_str).collect();
        options.connect(servers.as_slice()).await.map_err(|error| match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                let server = config.last_server();
                LinkError::NotAdmitted { server, why: error.to_string() }
            }
            ConnectErrorKind::TimedOut => config.unreachable(NO_ANSWER),
            _ => config.unreachable(&convert::innermost(&error)),
        })
    }

    /// Subscribes; the broker knows of it when a later [`Link::flush`] or message comes back.
    ///
    /// # Errors
    /// [`LinkError::Unsendable`] where the subject is not one.
    pub async fn subscribe(&mut self, subject: String) -> Result<(), LinkError> {
        let wrong = |why: String| LinkError::Unsendable { subject: subject.clone(), why };
        let subscriber = self.client.subscribe(subject.clone()).await;
        self.subscriptions.push(subscriber.map_err(|error| wrong(error.to_string()))?);
        Ok(())
    }

    /// Ends all subscriptions. What has come of them and was not read is gone.
    pub fn unsubscribe_all(&mut self) {
        self.subscriptions.clear();
    }

    /// Publishes a message, if the connection stands.
    ///
    /// # Errors
    /// [`LinkError::NotConnected`], also where the broker takes nothing in time, or
    /// [`LinkError::Unsendable`]; nothing was sent then.
    pub async fn publish(&self, message: Message) -> Result<(), LinkError> {
        publish(&self.client, message).await
    }

    /// The next event. Cancelling the wait loses nothing.
    pub async fn recv(&mut self) -> Event {
        tokio::select! {
            biased;
            event = self.news.next() => event,
            // Subscriptions end with the library's own task alone.
            message = self.subscriptions.next(), if !self.subscriptions.is_empty() => {
                message.map_or(Event::Ended, convert::message)
            }
        }
    }

    /// Hands everything that was published to the operating system.
    ///
    /// # Errors
    /// [`LinkError::NotConnected`] where the connection broke before, or does not take it in time.
    pub async fn flush(&self) -> Result<(), LinkError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "bounded in time, and it promises no more than the socket's buffer"
        )]
        let flush = self.client.flush();
        let flushed = tokio::time::timeout(limits::FLUSH_TIMEOUT, flush).await;
        flushed.map_err(|_| LinkError::NotConnected)?.map_err(|_| LinkError::NotConnected)
    }

    /// Sends what waits and closes the connection; gives up after `longest`.
    pub async fn close(self, longest: Duration) {
        if self.client.connection_state() != State::Connected {
            return;
        }
        let closed = async {
            // A library that was told to drain ends at its next turn, whatever waits by then.
            if self.flush().await.is_err() || self.client.drain().await.is_err() {
                return;
            }
            while self.news.next().await != Event::Disconnected {}
        };
        let _ = tokio::time::timeout(longest, closed).await;
    }
}

async fn publish(client: &Client, message: Message) -> Result<(), LinkError> {
    if client.connection_state() != State::Connected {
        return Err(LinkError::NotConnected);
    }
    let subject = message.subject.clone();
    let wrong = |why: String| LinkError::Unsendable { subject: subject.clone(), why };
    let headers = convert::headers(&message.headers).map_err(wrong)?;
    let Message { subject: to, reply, body, .. } = message;
    let send = async {
        match (reply, headers) {
            (Some(reply), Some(headers)) => {
                client.publish_with_reply_and_headers(to, reply, headers, body.into()).await
            }
            (Some(reply), None) => client.publish_with_reply(to, reply, body.into()).await,
            (None, Some(headers)) => client.publish_with_headers(to, headers, body.into()).await,
            (None, None) => client.publish(to, body.into()).await,
        }
    };
    // A broker that answers pings and reads nothing must not hold the program for ever.
    let sent = tokio::time::timeout(limits::PUBLISH_TIMEOUT, send).await;
    sent.map_err(|_| LinkError::NotConnected)?.map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests;
