//! How an earlier order stands on a node, by what the node's agent `job` says of it.

use marcato_core::{Changed, EndState, Identity, OrderId, Reason, Timestamp};
use marcato_protocol::digest::Digest;
use marcato_protocol::keys::OpenKey;
use marcato_protocol::message::{self, Kind, Message};
use marcato_protocol::progress::{Phase, Progress};
use marcato_protocol::receipt::{Expected, Outer, ReceivedReceipt, SignedReceipt};
use marcato_protocol::sshsig::PublicKey;
use marcato_protocol::subject::Subjects;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::NodeReport;
use super::check::Proved;
use super::job::line_of;

/// How an earlier order stands on a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It ended so: by its receipt, which is as good as one that came in time.
    Ended(Box<NodeReport>),
    /// It waits; with what it says of that in its own words, which may be none.
    Waiting(String),
    /// It runs; with what it says that it does or waits for, likewise.
    Running(String),
    /// The node knows nothing of it, and it does not run there.
    Unknown,
}

/// What a node said of an earlier order without being asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Overheard {
    /// The node.
    pub node: Identity,
    /// How the order stands there.
    pub standing: Standing,
    /// When it said so, by its own clock: whoever carries messages may carry one twice.
    pub at: Timestamp,
}

/// An earlier order.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'a> {
    /// Its id.
    pub order: OrderId,
    /// The key to which its receipts are sealed, where it is still there.
    pub reader: Option<&'a OpenKey>,
}

impl Earlier<'_> {
    /// What a node's answer, whose outputs these are, says of it. `key` is the one that signs what the
    /// node says.
    ///
    /// # Errors
    /// Says why the answer is none.
    pub fn standing(
        &self,
        node: &Identity,
        outputs: &Map<String, Value>,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Standing, String> {
        let text = |name: &str| outputs.get(name).and_then(Value::as_str);
        let doing = || text("doing").unwrap_or_default().to_owned();
        match text("state") {
            Some("waiting") => return Ok(Standing::Waiting(doing())),
            Some("running") => return Ok(Standing::Running(doing())),
            Some("unknown") => return Ok(Standing::Unknown),
            Some("barred") => {
                return Ok(Standing::Ended(Box::new(NodeReport {
                    reason: Some(Reason::Operator),
                    changed: Changed::False,
                    message: "it was cancelled before it came".to_owned(),
                    ..told(node, EndState::Cancelled, now)
                })));
            }
            Some("ended") => {}
            _ => return Err("it does not say how the order stands".to_owned()),
        }
        if let Some(receipt) = outputs.get("receipt") {
            let receipt = serde_json::from_value(receipt.clone()).map_err(|e| e.to_string())?;
            return self.receipt(node, &receipt, key, now).map(Standing::Ended);
        }
        // Its end is being written down.
        let Some(end) = outputs.get("end") else { return Ok(Standing::Running(String::new())) };
        let state: EndState = read(end)?;
        if !state.is_signed() {
            return Err(format!("no node can say {state}"));
        }
        let optional = |name: &str| outputs.get(name).map(read).transpose();
        Ok(Standing::Ended(Box::new(NodeReport {
            reason: outputs.get("reason").map(read).transpose()?,
            changed: outputs.get("changed").map_or(Ok(Changed::Unknown), read)?,
            message: "its receipt is too long to be fetched".to_owned(),
            truncated: true,
            finished: optional("finished")?,
            ..told(node, state, now)
        })))
    }

    /// What a message says that came on the subjects of the order's own answers. Nothing where it
    /// proves nothing: whoever can write there ends no wait. `key` is the one that signs what a node
    /// says.
    #[must_use]
    pub fn overheard<'a>(
        &self,
        message: &Message,
        key: impl FnOnce(&Identity) -> Option<&'a PublicKey>,
        now: Timestamp,
    ) -> Option<Overheard> {
        let node = Subjects::last_identity(&message.subject)?;
        let key = key(&node)?;
        let (standing, at) = match message.headers.kind()? {
            Kind::Progress => {
                let Progress { v, order_digest, step, step_digest, .. } =
                    Progress::claimed(message)?;
                let expected = self.expected((v, order_digest, step, step_digest), &node, key);
                let heard = Progress::verify(message, &expected).ok()?;
                let said = self.reader.and_then(|reader| heard.open(reader).ok());
                let said = said.unwrap_or_default();
                let standing = match heard.outer.phase {
                    Phase::Accepted => Standing::Waiting(said),
                    Phase::Running => Standing::Running(said),
                };
                (standing, heard.outer.at)
            }
            Kind::Receipt => {
                let length = message.headers.get(message::OUTER)?.parse().ok()?;
                let outer: Outer = serde_json::from_slice(message.body.get(..length)?).ok()?;
                let line = self.line(message, &outer, (&node, key), now).ok()?;
                (Standing::Ended(line), outer.finished)
            }
            _ => return None,
        };
        Some(Overheard { node, standing, at })
    }

    fn receipt(
        &self,
        node: &Identity,
        receipt: &SignedReceipt,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Box<NodeReport>, String> {
        let outer = receipt.outer().ok_or("it carries no receipt")?;
        self.line(&receipt.message(String::new(), None), &outer, (node, key), now)
    }

    /// What a receipt's message says, of which this is the outer part.
    fn line(
        &self,
        message: &Message,
        outer: &Outer,
        (node, key): (&Identity, &PublicKey),
        now: Timestamp,
    ) -> Result<Box<NodeReport>, String> {
        let claimed = (outer.v, outer.order_digest, outer.step, outer.step_digest);
        let expected = self.expected(claimed, node, key);
        let received = ReceivedReceipt::parse(message);
        let verified = received.and_then(|received| received.verify(&expected));
        let verified = verified.map_err(|error| error.to_string())?;
        let inner = match self.reader {
            Some(reader) => verified.open(reader).map_err(|error| error.to_string()),
            None => Err("what it said is sealed to a key that is gone".to_owned()),
        };
        let proved = Proved { outer: verified.outer.clone(), inner, learned: None };
        Ok(Box::new(line_of(proved, None, now)))
    }

    /// The id alone names the order: what the node took under it, its caller signed.
    const fn expected<'a>(
        &self,
        (v, order_digest, step, step_digest): (u32, Digest, u64, Digest),
        node: &'a Identity,
        key: &'a PublicKey,
    ) -> Expected<'a> {
        Expected { v, order: self.order, order_digest, step, step_digest, node, key }
    }
}

/// A line of what a node said itself, though not by the order's receipt.
fn told(node: &Identity, state: EndState, now: Timestamp) -> NodeReport {
    NodeReport {
        signed: true,
        answered: Some(now),
        ..NodeReport::new(node.clone(), state, None, Changed::Unknown)
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use marcato_protocol::keys::NodeSignKey;
    use marcato_protocol::receipt::Inner;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;
    use serde_json::json;

    use super::*;

    const ORDER: OrderId = OrderId::from_bytes([7; 16]);
    const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

    fn random(seed: u8) -> ChaCha20Rng {
        ChaCha20Rng::from_seed([seed; 32])
    }

    fn receipt(order: OrderId, key: &NodeSignKey) -> SignedReceipt {
        let digest = Digest::of(b"order");
        let outer = Outer {
            v: 1,
            order,
            order_digest: digest,
            step: 0,
            step_digest: digest,
            node: "web1".parse().unwrap(),
            state: EndState::Failed,
            reason: Some(Reason::Action),
            changed: Changed::True,
            received: NOW,
            started: Some(NOW),
            finished: NOW,
            sealed: None,
            ext: Map::new(),
        };
        let data = Map::from_iter([("status".to_owned(), json!("stopped"))]);
        let inner = Inner { data, message: "no".into(), truncated: false };
        let reader = OpenKey::generate(&mut random(2));
        SignedReceipt::issue(outer, &inner, &[*reader.public()], key, &mut random(3))
    }

    fn standing(outputs: Value, reader: Option<&OpenKey>) -> Result<Standing, String> {
        let Value::Object(outputs) = outputs else { panic!("outputs are an object") };
        let key = NodeSignKey::generate(&mut random(1));
        let earlier = Earlier { order: ORDER, reader };
        earlier.standing(&"web1".parse().unwrap(), &outputs, key.public(), NOW)
    }

    #[test]
    fn what_has_not_ended() {
        let check = |state: &str, want: Standing| {
            assert_eq!(standing(json!({ "state": state }), None), Ok(want));
        };
        check("waiting", Standing::Waiting(String::new()));
        check("running", Standing::Running(String::new()));
        check("ended", Standing::Running(String::new()));
        check("unknown", Standing::Unknown);
        let doing = json!({ "state": "running", "doing": "downloading" });
        assert_eq!(standing(doing, None), Ok(Standing::Running("downloading".into())));
        for wrong in [json!({}), json!({ "state": "fine" }), json!({ "state": 7 })] {
            assert!(standing(wrong, None).is_err());
        }
    }

    #[test]
    fn a_receipt_counts_as_if_it_had_come() {
        let (key, reader) =
            (NodeSignKey::generate(&mut random(1)), OpenKey::generate(&mut random(2)));
        let outputs = json!({ "state": "ended", "receipt": receipt(ORDER, &key) });
        let Ok(Standing::Ended(line)) = standing(outputs.clone(), Some(&reader)) else {
            panic!("it ended");
        };
        assert_eq!((line.state, line.reason), (EndState::Failed, Some(Reason::Action)));
        assert_eq!((line.changed, line.signed), (Changed::True, true));
        assert_eq!((line.message.as_str(), &line.data["status"]), ("no", &json!("stopped")));
        // Without the key it is known how it ended, and not what it said.
        let Ok(Standing::Ended(line)) = standing(outputs, None) else { panic!("it ended") };
        assert_eq!((line.state, line.data.len()), (EndState::Failed, 0));
        assert_eq!(line.message, "what it said is sealed to a key that is gone");
    }

    #[test]
    fn a_receipt_of_another_proves_nothing() {
        let key = NodeSignKey::generate(&mut random(1));
        let other = NodeSignKey::generate(&mut random(9));
        let check = |receipt: Value, want: &str| {
            let why = standing(json!({ "state": "ended", "receipt": receipt }), None).unwrap_err();
            assert!(why.contains(want), "{why}");
        };
        check(json!(receipt(ORDER, &other)), "signature");
        check(json!(receipt(OrderId::from_bytes([8; 16]), &key)), "another order");
        check(json!({ "outer": "{}", "signature": "" }), "it carries no receipt");
        check(json!("x"), "invalid type");
        let mut altered = json!(receipt(ORDER, &key));
        altered["sealed"] = json!("AAAA");
        check(altered, "sealed");
    }

    #[test]
    fn what_was_cancelled_before_it_came_has_ended() {
        let Ok(Standing::Ended(line)) = standing(json!({ "state": "barred" }), None) else {
            panic!("it never begins");
        };
        assert_eq!((line.state, line.reason), (EndState::Cancelled, Some(Reason::Operator)));
        assert_eq!((line.changed, line.signed), (Changed::False, true));
    }

    #[test]
    fn what_is_said_unasked_counts_where_it_is_proved() {
        let key = NodeSignKey::generate(&mut random(1));
        let other = NodeSignKey::generate(&mut random(9));
        let reader = OpenKey::generate(&mut random(2));
        let progress = |order, phase, key: &NodeSignKey| {
            let digest = Digest::of(b"order");
            let word = Progress {
                v: 1,
                order,
                order_digest: digest,
                step: 0,
                step_digest: digest,
                node: "web1".parse().unwrap(),
                phase,
                at: NOW,
                sealed: None,
                ext: Map::new(),
            };
            let sealed = word.seal("downloading", &[*reader.public()], &mut random(3));
            word.message(sealed.as_ref(), "x.reply.ops.id.web1".to_owned(), key)
        };
        let hear = |message: &Message| {
            let known = |node: &Identity| (node.as_str() == "web1").then(|| key.public());
            let earlier = Earlier { order: ORDER, reader: Some(&reader) };
            let heard = earlier.overheard(message, known, NOW)?;
            assert_eq!((heard.node.as_str(), heard.at), ("web1", NOW));
            Some(heard.standing)
        };
        let waiting = Some(Standing::Waiting("downloading".into()));
        assert_eq!(hear(&progress(ORDER, Phase::Accepted, &key)), waiting);
        let running = Some(Standing::Running("downloading".into()));
        assert_eq!(hear(&progress(ORDER, Phase::Running, &key)), running);
        assert_eq!(hear(&progress(ORDER, Phase::Running, &other)), None);
        assert_eq!(hear(&progress(OrderId::from_bytes([8; 16]), Phase::Running, &key)), None);
        let subject = || "x.reply.ops.id.web1".to_owned();
        let ended = receipt(ORDER, &key).message(subject(), None);
        let Some(Standing::Ended(line)) = hear(&ended) else { panic!("it ended") };
        assert_eq!((line.state, line.changed), (EndState::Failed, Changed::True));
        assert_eq!(hear(&receipt(ORDER, &other).message(subject(), None)), None);
        assert_eq!(hear(&Message { subject: "x.reply.ops.id.web2".to_owned(), ..ended }), None);
        let nothing = Message { body: b"{".to_vec(), ..progress(ORDER, Phase::Running, &key) };
        assert_eq!(hear(&nothing), None);
    }

    #[test]
    fn an_end_without_a_receipt() {
        let outputs = json!({
            "state": "ended", "end": "timed_out", "reason": "run-limit", "changed": "unknown",
            "finished": NOW,
        });
        let Ok(Standing::Ended(line)) = standing(outputs, None) else { panic!("it ended") };
        assert_eq!((line.state, line.reason), (EndState::TimedOut, Some(Reason::RunLimit)));
        assert_eq!(
            (line.changed, line.truncated, line.finished),
            (Changed::Unknown, true, Some(NOW))
        );
        for end in ["lost", "fine"] {
            assert!(standing(json!({ "state": "ended", "end": end }), None).is_err());
        }
    }
}
