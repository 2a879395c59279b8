//! Receipts and progress.

use marcato_core::Identity;
use marcato_protocol::Verified;
use marcato_protocol::progress::Progress;
use marcato_protocol::receipt::{Expected, Inner, Receipt, ReceiptError, ReceivedReceipt};
use marcato_protocol::sshsig::PublicKey;
use serde_json::{Value, json};

use super::{list, message, open_key, parse, public_key, text};
use crate::read;

/// Who is expected to answer.
fn who(case: &Value) -> (Identity, PublicKey) {
    (parse(&case["expected"], "node"), public_key(&case["expected"], "key"))
}

fn expected<'a>(case: &Value, (node, key): &'a (Identity, PublicKey)) -> Expected<'a> {
    let case = &case["expected"];
    Expected {
        v: u32::try_from(case["v"].as_u64().unwrap()).unwrap(),
        order: parse(case, "order"),
        order_digest: parse(case, "order_digest"),
        step: case["step"].as_u64().unwrap(),
        step_digest: parse(case, "step_digest"),
        node,
        key,
    }
}

fn word(error: &ReceiptError) -> String {
    match error {
        ReceiptError::Malformed(_) => "malformed".into(),
        ReceiptError::Signature(_) => "signature".into(),
        ReceiptError::Sealed => "sealed".into(),
        ReceiptError::Other(what) => format!("other-{what}"),
        ReceiptError::Open(_) => "open".into(),
    }
}

fn receipt(case: &Value) -> Result<Verified<Receipt>, String> {
    let who = who(case);
    ReceivedReceipt::parse(&message(case))
        .and_then(|received| received.verify(&expected(case, &who)))
        .map_err(|error| word(&error))
}

#[test]
fn receipts() {
    let file = read("receipts.json");
    let (reader, stranger) = (open_key(&file["reader"]), open_key(&file["stranger"]));
    for case in list(&file, "accepted") {
        let receipt = receipt(case).unwrap_or_else(|why| panic!("{why}: {case}"));
        assert_eq!(json!(receipt.outer.state), case["state"]);
        let inner: Option<Inner> = serde_json::from_value(case["inner"].clone()).unwrap();
        assert_eq!(receipt.outer.sealed.is_some(), inner.is_some());
        assert_eq!(receipt.open(&reader).unwrap(), inner.clone().unwrap_or_default());
        assert_eq!(receipt.open(&stranger).is_err(), inner.is_some());
    }
    for case in list(&file, "refused") {
        let got = receipt(case).map(|_| ());
        assert_eq!(got, Err(text(case, "why").to_owned()), "{}", text(case, "name"));
    }
}

#[test]
fn progress() {
    let file = read("progress.json");
    let (reader, stranger) = (open_key(&file["reader"]), open_key(&file["stranger"]));
    for case in list(&file, "accepted") {
        let who = who(case);
        let heard = Progress::verify(&message(case), &expected(case, &who)).unwrap();
        let said = text(case, "said");
        assert_eq!(json!(heard.outer.phase), case["phase"]);
        assert_eq!(heard.open(&reader).unwrap(), said);
        assert_eq!(
            (heard.is_sealed(), heard.open(&stranger).is_err()),
            (!said.is_empty(), !said.is_empty())
        );
    }
    for case in list(&file, "refused") {
        let who = who(case);
        let got = Progress::verify(&message(case), &expected(case, &who));
        let got = got.map(|_| ()).map_err(|error| word(&error));
        assert_eq!(got, Err(text(case, "why").to_owned()), "{}", text(case, "name"));
    }
}
