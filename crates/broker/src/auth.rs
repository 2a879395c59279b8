//! Who may come in, and what he may do: the seam for login and subject permissions.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::connect::ConnectOptions;

/// Decides on each CONNECT. Called on the connection's task, so it must not block.
pub trait Authorizer: Send + Sync + 'static {
    /// Whether a client must log in. If so, nothing but CONNECT is read before, and INFO says it
    /// with a nonce to sign.
    fn login_required(&self) -> bool;

    /// Admits the client, with what it may do, or does not; `nonce` is the one of its INFO.
    fn admit(
        &self,
        login: &ConnectOptions,
        nonce: &str,
        peer: SocketAddr,
    ) -> Option<Arc<dyn Grant>>;
}

/// What one client may do; asked for each publish and subscribe.
pub trait Grant: Send + Sync {
    /// Whether it may publish to `subject`, which has no wildcards.
    fn may_publish(&self, subject: &str) -> bool;

    /// Whether it may subscribe to `pattern`, in `queue` if there is one.
    fn may_subscribe(&self, pattern: &str, queue: Option<&str>) -> bool;
}

/// Takes any client on any subject: what a broker does that only this host can reach.
#[derive(Debug, Clone, Copy)]
pub struct Anyone;

impl Authorizer for Anyone {
    fn login_required(&self) -> bool {
        false
    }

    fn admit(&self, _: &ConnectOptions, _: &str, _: SocketAddr) -> Option<Arc<dyn Grant>> {
        Some(Arc::new(Self))
    }
}

impl Grant for Anyone {
    fn may_publish(&self, _: &str) -> bool {
        true
    }

    fn may_subscribe(&self, _: &str, _: Option<&str>) -> bool {
        true
    }
}
