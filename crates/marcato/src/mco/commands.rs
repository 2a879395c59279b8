//! What each command that sends an order asks for.

use super::cli::{OrderArgs, Package, PackageAction, Ping, Rpc, Service, ServiceAction};
use super::order::Intent;
use crate::words::Failure;

/// `mco ping`
pub fn ping(args: Ping) -> Result<Intent, Failure> {
    Ok(Intent { times: true, ..intent(["rpcutil", "ping"], Vec::new(), args.order)? })
}

/// `mco rpc`
pub fn rpc(args: Rpc) -> Result<Intent, Failure> {
    let what = [args.agent.as_str(), args.action.as_str()];
    intent(what, args.inputs, args.order)
}

/// `mco package`
pub fn package(args: Package) -> Result<Intent, Failure> {
    let action = match args.action {
        PackageAction::Status => "status",
    };
    intent(["package", action], vec![("package".to_owned(), args.name)], args.order)
}

/// `mco service`
pub fn service(args: Service) -> Result<Intent, Failure> {
    let action = match args.action {
        ServiceAction::Status => "status",
        ServiceAction::Restart => "restart",
    };
    intent(["service", action], vec![("service".to_owned(), args.name)], args.order)
}

fn intent(
    [agent, action]: [&str; 2],
    words: Vec<(String, String)>,
    order: OrderArgs,
) -> Result<Intent, Failure> {
    // The names were checked by the grammar, or are this file's own.
    let wrong = |error| Failure::new(marcato_core::Exit::Usage, error);
    let (agent, action) = (agent.parse().map_err(wrong)?, action.parse().map_err(wrong)?);
    Ok(Intent { agent, action, words, order, times: false })
}
