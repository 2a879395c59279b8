//! The files of the protocol: requests written, replies read.

use marcato_core::limits::protocol::JSON_DEPTH_MAX;
use marcato_core::{AgentName, json};
use serde_json::{Map, Value, json};

use crate::Call;

/// What an agent is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// To do something.
    Request,
    /// To say whether it works on this host.
    Activation,
}

impl Protocol {
    /// The name that the agent is told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "io.choria.mcorpc.external.v1.rpc_request",
            Self::Activation => "io.choria.mcorpc.external.v1.activation_request",
        }
    }

    const fn schema(self) -> &'static str {
        match self {
            Self::Request => "https://choria.io/schemas/mcorpc/external/v1/rpc_request.json",
            Self::Activation => {
                "https://choria.io/schemas/mcorpc/external/v1/activation_request.json"
            }
        }
    }
}

/// A request as the agent reads it, written anew from checked values.
#[must_use]
pub fn request(call: &Call) -> Value {
    json!({
        "$schema": Protocol::Request.schema(),
        "protocol": Protocol::Request.name(),
        "agent": call.agent,
        "action": call.action,
        "requestid": call.order,
        "senderid": call.caller,
        "callerid": call.caller,
        "collective": call.collective,
        "ttl": call.limit.as_ms().div_ceil(1000),
        "msgtime": call.issued.as_ms() / 1000,
        "data": call.inputs,
    })
}

/// The question whether an agent works on this host.
#[must_use]
pub fn activation(agent: &AgentName) -> Value {
    json!({
        "$schema": Protocol::Activation.schema(),
        "protocol": Protocol::Activation.name(),
        "agent": agent,
    })
}

/// An agent's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// How it went.
    pub status: Status,
    /// What a person should read.
    pub message: String,
    /// The outputs.
    pub data: Map<String, Value>,
}

/// The ancestor's status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 0: done.
    Ok,
    /// 1: it could not be done.
    Aborted,
    /// 2: the agent knows no such action.
    UnknownAction,
    /// 3 and 4: an input is missing or wrong.
    Inputs,
    /// 5: something else went wrong.
    Other,
}

/// Reads a reply. Further keys are left to the agent.
///
/// # Errors
/// Says what is wrong with it.
pub fn reply(bytes: &[u8]) -> Result<Reply, String> {
    let mut fields = object(bytes)?;
    let status = match fields.remove("statuscode").and_then(|code| code.as_u64()) {
        Some(0) => Status::Ok,
        Some(1) => Status::Aborted,
        Some(2) => Status::UnknownAction,
        Some(3 | 4) => Status::Inputs,
        Some(5) => Status::Other,
        _ => return Err("statuscode is not a number from 0 to 5".into()),
    };
    let message = match fields.remove("statusmsg") {
        Some(Value::String(text)) => text,
        None | Some(Value::Null) => String::new(),
        Some(_) => return Err("statusmsg is not text".into()),
    };
    let data = match fields.remove("data") {
        Some(Value::Object(data)) => data,
        None | Some(Value::Null) => Map::new(),
        Some(_) => return Err("data is not an object".into()),
    };
    Ok(Reply { status, message, data })
}

/// Reads the answer to an activation: whether the agent works on this host.
///
/// # Errors
/// Says what is wrong with it.
pub fn activated(bytes: &[u8]) -> Result<bool, String> {
    let active = object(bytes)?.remove("activate").and_then(|active| active.as_bool());
    active.ok_or_else(|| "activate is neither true nor false".into())
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("it wrote no reply".into());
    }
    match json::parse(bytes, JSON_DEPTH_MAX) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("the reply is not a JSON object".into()),
        Err(error) => Err(format!("the reply is {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Result<(Status, &str), &str>) {
        match (reply(text.as_bytes()), want) {
            (Ok(got), Ok((status, message))) => {
                assert_eq!((got.status, got.message.as_str()), (status, message), "{text}");
            }
            (Err(got), Err(part)) => assert!(got.contains(part), "{text}: {got}"),
            (got, want) => panic!("{text}: got {got:?}, want {want:?}"),
        }
    }

    #[test]
    fn replies() {
        check(r#"{"statuscode":0,"statusmsg":"OK","data":{"a":1}}"#, Ok((Status::Ok, "OK")));
        check(r#"{"statuscode":0,"data":{},"disableresponse":false}"#, Ok((Status::Ok, "")));
        check(r#"{"statuscode":1,"statusmsg":"no","data":null}"#, Ok((Status::Aborted, "no")));
        check(r#"{"statuscode":2}"#, Ok((Status::UnknownAction, "")));
        check(r#"{"statuscode":3}"#, Ok((Status::Inputs, "")));
        check(r#"{"statuscode":4}"#, Ok((Status::Inputs, "")));
        check(r#"{"statuscode":5}"#, Ok((Status::Other, "")));
        check("", Err("no reply"));
        check(" \n", Err("no reply"));
        check("[]", Err("not a JSON object"));
        check("{", Err("not acceptable JSON"));
        check(r#"{"statuscode":0,"statuscode":1}"#, Err("stands twice"));
        check(r#"{"statuscode":6}"#, Err("0 to 5"));
        check(r#"{"statuscode":"0"}"#, Err("0 to 5"));
        check("{}", Err("0 to 5"));
        check(r#"{"statuscode":0,"statusmsg":1}"#, Err("not text"));
        check(r#"{"statuscode":0,"data":[]}"#, Err("not an object"));
        check(&format!(r#"{{"data":{}}}"#, "[".repeat(100_000)), Err("too deeply"));
    }

    #[test]
    fn activations() {
        assert_eq!(activated(br#"{"activate":true}"#), Ok(true));
        assert_eq!(activated(br#"{"activate":false}"#), Ok(false));
        assert!(activated(br#"{"activate":"yes"}"#).is_err());
        assert!(activated(b"").is_err());
    }
}
