//! The agents that ship with the node: rpcutil, package, service.
