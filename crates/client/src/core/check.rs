//! Whether a message that claims to answer an order does: the part of collation that costs time,
//! apart from the accounts so that a shell can spread it over its cores.

use std::collections::BTreeMap;
use std::sync::Arc;

use marcato_core::{Collective, Identity, OrderId};
use marcato_protocol::Verified;
use marcato_protocol::certificate::SignedText;
use marcato_protocol::digest::Digest;
use marcato_protocol::keys::OpenKey;
use marcato_protocol::message::{self, Kind, Message};
use marcato_protocol::progress::{Heard, Progress};
use marcato_protocol::receipt::{Expected, Inner, Outer, ReceiptError, ReceivedReceipt};
use marcato_protocol::sshsig::PublicKey;
use marcato_protocol::subject::Subjects;

use super::{Directory, KnownNode, RefusedWhy};

/// What messages are held against. Cheap to share between threads; a job makes a new one when it
/// sends a second order.
#[derive(Debug, Clone)]
pub struct Checker {
    pub(super) collective: Collective,
    pub(super) authority: PublicKey,
    pub(super) directory: Arc<Directory>,
    pub(super) chosen: Arc<BTreeMap<Identity, PublicKey>>,
    pub(super) reader: Arc<OpenKey>,
    pub(super) orders: Vec<Sent>,
}

/// An order as receipts name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub v: u32,
    pub id: OrderId,
    pub digest: Digest,
}

/// A message, checked. Only [`Checker::check`] makes one.
#[derive(Debug)]
pub struct Checked {
    /// Whom its subject names.
    pub(super) node: Option<Identity>,
    pub(super) what: What,
}

/// What a message turned out to be.
#[derive(Debug)]
pub(super) enum What {
    /// A node's signed end state.
    Receipt(Box<Proved>),
    /// A node's signed word that it has not ended.
    Progress(Box<Verified<Heard>>),
    /// The same of a node that no certificate has proved yet.
    Unproved,
    /// It claims to answer and does not.
    Refused(RefusedWhy, String),
    /// A late part of the hub's answer to the question before.
    Other,
}

/// A receipt whose signature was checked.
#[derive(Debug)]
pub(super) struct Proved {
    pub outer: Outer,
    /// What it says to its readers, or why that cannot be read.
    pub inner: Result<Inner, String>,
    /// The node, where its certificate came along and it was not known.
    pub learned: Option<KnownNode>,
}

impl Checker {
    /// Checks one message: some 100 µs for a receipt.
    #[must_use]
    pub fn check(&self, message: &Message) -> Checked {
        let node = Subjects::last_identity(&message.subject);
        let kind = message.headers.kind();
        let result = match (&node, kind) {
            (_, Some(Kind::Answer)) => Ok(What::Other),
            (Some(node), Some(Kind::Receipt)) => self.receipt(message, node),
            (Some(node), Some(Kind::Progress)) => self.progress(message, node),
            _ => Err((RefusedWhy::Malformed, "it is no answer to an order".to_owned())),
        };
        let what = result.unwrap_or_else(|(why, text)| What::Refused(why, text));
        Checked { node, what }
    }

    fn receipt(&self, message: &Message, node: &Identity) -> Result<What, (RefusedWhy, String)> {
        let sent = self.order_of(message)?;
        let received = ReceivedReceipt::parse(message).map_err(refused)?;
        let learned = match &received.certificate {
            Some(text) => Some(self.learn(text, node)?),
            None => None,
        };
        let key = self.key_of(node, learned.as_ref())?;
        let receipt = received.verify(&expected(sent, node, key)).map_err(refused)?;
        let inner = receipt.open(&self.reader).map_err(|error| error.to_string());
        let learned = learned.filter(|_| self.directory.get(node).is_none());
        Ok(What::Receipt(Box::new(Proved { outer: receipt.outer.clone(), inner, learned })))
    }

    fn progress(&self, message: &Message, node: &Identity) -> Result<What, (RefusedWhy, String)> {
        let sent = self.order_of(message)?;
        let Ok(key) = self.key_of(node, None) else { return Ok(What::Unproved) };
        let heard = Progress::verify(message, &expected(sent, node, key)).map_err(refused)?;
        Ok(What::Progress(Box::new(heard)))
    }

    /// Which of the job's orders the subject names; also whether there is a signature at all.
    fn order_of(&self, message: &Message) -> Result<Sent, (RefusedWhy, String)> {
        if message.headers.get(message::SIGNATURE).is_none() {
            return Err((RefusedWhy::Unsigned, "it is not signed".into()));
        }
        let named = message.subject.rsplit('.').nth(1).and_then(|id| id.parse::<OrderId>().ok());
        let sent = self.orders.iter().find(|sent| Some(sent.id) == named);
        sent.copied().ok_or_else(|| (RefusedWhy::OtherOrder, "its subject names another".into()))
    }

    /// What a certificate that came along proves of this node.
    fn learn(&self, text: &str, node: &Identity) -> Result<KnownNode, (RefusedWhy, String)> {
        let proved = prove(text, &self.authority, &self.collective)
            .map_err(|why| (RefusedWhy::NoCertificate, why))?;
        if proved.identity() != node {
            return Err((RefusedWhy::OtherNode, format!("it shows {}'s", proved.identity())));
        }
        match self.directory.get(node) {
            Some(known) if known.sign() != proved.sign() => Err((
                RefusedWhy::KeyChanged,
                format!(
                    "known with the key {}, it shows {}",
                    known.sign().fingerprint(),
                    proved.sign().fingerprint()
                ),
            )),
            _ => Ok(proved),
        }
    }

    fn key_of<'a>(
        &'a self,
        node: &Identity,
        learned: Option<&'a KnownNode>,
    ) -> Result<&'a PublicKey, (RefusedWhy, String)> {
        let chosen = self.chosen.get(node);
        let known = chosen.or_else(|| self.directory.get(node).map(KnownNode::sign));
        known.or_else(|| learned.map(KnownNode::sign)).ok_or_else(|| {
            let text = "no certificate of the authority's is known for it";
            (RefusedWhy::NoCertificate, text.into())
        })
    }
}

/// What a certificate's text proves, if the authority signed it for this fleet.
///
/// # Errors
/// Says why it proves nothing.
pub(super) fn prove(
    text: &str,
    authority: &PublicKey,
    collective: &Collective,
) -> Result<KnownNode, String> {
    let certificate = SignedText::parse(text)
        .and_then(|text| text.verify(authority, collective))
        .map_err(|error| error.to_string())?;
    Ok(KnownNode::of(&certificate))
}

const fn expected<'a>(sent: Sent, node: &'a Identity, key: &'a PublicKey) -> Expected<'a> {
    // An order of one step is its step: both digests are the same.
    let (order_digest, step_digest) = (sent.digest, sent.digest);
    Expected { v: sent.v, order: sent.id, order_digest, step: 0, step_digest, node, key }
}

fn refused(error: ReceiptError) -> (RefusedWhy, String) {
    let why = match &error {
        ReceiptError::Signature(_) => RefusedWhy::Signature,
        ReceiptError::Sealed => RefusedWhy::Sealed,
        ReceiptError::Other("order") => RefusedWhy::OtherOrder,
        ReceiptError::Other("step") => RefusedWhy::OtherStep,
        ReceiptError::Other(_) => RefusedWhy::OtherNode,
        ReceiptError::Malformed(_) | ReceiptError::Open(_) => RefusedWhy::Malformed,
    };
    (why, error.to_string())
}
