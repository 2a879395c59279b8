//! What peers were measured at elsewhere: on a machine of the same kind, not in the same run.

/// The heading of a column of these figures.
pub const CHORIA: &str = "Choria 0.30.2";

/// Where and how they were taken.
pub const CHORIA_HOW: &str = "Choria's figures were not taken in this run: go-choria 0.30.2 with its \
    embedded broker, mutual TLS and RSA certificates, on another machine of the same size and \
    distribution, client, broker and nodes on its two cores; medians of 7 runs. Marcato has no TLS \
    yet, and Choria's nodes do not sign their replies by default.";

/// Wall time of a request to so many nodes, with Choria's discovery and with a list of nodes.
pub fn choria_wall(nodes: usize) -> &'static str {
    match nodes {
        1 => "2,060 ms; with a list of nodes 44 ms",
        10 => "2,073 ms; with a list of nodes 67 ms",
        50 => "2,150 ms; with a list of nodes 172 ms (140 with its newer security)",
        _ => "",
    }
}

/// CPU of one node for one request.
pub const CHORIA_NODE_CPU: &str = "4.4 ms with a list, 8 to 11 with discovery";
/// CPU of the client for one request.
pub const CHORIA_CLIENT_CPU: &str = "50 to 110 ms";
/// CPU of the broker for one node and request.
pub const CHORIA_BROKER_CPU: &str = "0.15 to 0.3 ms";
/// Resident memory of a node.
pub const CHORIA_NODE_RSS: &str = "47 MB";
/// Memory of a node among many, each shared page divided among them.
pub const CHORIA_NODE_PSS: &str = "11.1 MB among 200";
/// CPU of a node at rest.
pub const CHORIA_NODE_REST: &str = "0.35 ms/s";
/// Wall time of the client alone.
pub const CHORIA_START: &str = "32 ms (`--version`)";
