//! What Choria was measured at elsewhere: on a machine of the same kind, not in the same run.

use crate::bench::request::Request;

/// Where and how the figures were taken.
pub const HOW: &str = "Choria's figures were not taken in this run: go-choria 0.30.2 with its \
    embedded broker, mutual TLS and RSA certificates, on another machine of the same size and \
    distribution, client, broker and nodes on its two cores; medians of 7 runs. Marcato has no TLS \
    yet, and Choria's nodes do not sign their replies by default.";

/// Wall time of a request to so many nodes, with Choria's discovery and with a list of nodes.
pub const fn wall(request: Request, nodes: usize) -> &'static str {
    match (request, nodes) {
        (Request::Find, 1) => "2,036 ms",
        (Request::Find, 10) => "2,032 ms",
        (Request::Find, 50) => "2,044 ms",
        (Request::Find, 200) => "2,043 ms",
        (Request::Find, 500) => "2,038 ms",
        (Request::Ping, 1) => "2,060 ms; with a list 44 ms",
        (Request::Ping, 10) => "2,073 ms; with a list 67 ms",
        (Request::Ping, 50) => "2,150 ms; with a list 172 ms (140 with its newer security)",
        (Request::Ping, 200) => "2,693 ms; with a list 616 ms (541 with its newer security)",
        (Request::Ping, 500) => "3,373 ms; with a list 1,336 ms",
        (Request::Package, 1) => "with a list 64 ms",
        (Request::Package, 10) => "with a list 154 ms",
        (Request::Package, 50) => "with a list 623 ms",
        (Request::Package, 200) => "with a list 2,609 ms",
        (Request::Package, 500) => "with a list 7,054 ms",
        (Request::Facts, 1) => "with a list 52 ms",
        (Request::Facts, 10) => "with a list 61 ms",
        (Request::Facts, 50) => "with a list 188 ms",
        (Request::Facts, 200) => "with a list 561 ms",
        (Request::Facts, 500) => "with a list 1,278 ms",
        _ => "",
    }
}

/// CPU of one node for one request.
pub const NODE_CPU: &str = "Choria 4.4 ms with a list, 8 to 11 with discovery";
/// CPU of the client for one request.
pub const CLIENT_CPU: &str = "Choria 50 to 110 ms";
/// CPU of the broker for one node and request.
pub const BROKER_CPU: &str = "Choria 0.15 to 0.3 ms";
/// Resident memory of a node.
pub const NODE_RSS: &str = "Choria 47 MB";
/// Memory of a node among many, each shared page divided among them.
pub const NODE_PSS: &str = "Choria 11.1 MB among 200";
/// CPU of a node at rest.
pub const NODE_REST: &str = "Choria 0.35 ms/s";
/// Wall time of the client alone.
pub const START: &str = "Choria 32 ms (`--version`)";
