//! The whole way of an order over real connections: operator, broker, hub, nodes, processes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_on_a_set() {
    for kind in brokers::kinds() {
        let fleet =
            Fleet::start(Plan { broker: kind, hub: true, nodes: &["db1", "web1", "web2"] }).await;
        let report = fleet.run("service restart service=nginx", "hagroup=g1").await;
        assert_eq!(line(&report), "db1 Ok absent, web1 Ok");
        assert_eq!(fleet.pid("web1", "nginx"), NGINX_PID + 1);
        fleet.assert_untouched(&["db1", "web2"]);
    }
}
