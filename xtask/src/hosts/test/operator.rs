//! The operator: runs the real `mco` and reads what it says.

use super::super::error::{Error, Result};
use super::super::run;
use super::site::same;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a command may take before the test gives up on it.
const LIMIT: Duration = Duration::from_secs(120);

/// Who types the commands.
#[derive(Debug)]
pub struct Operator {
    /// The program.
    pub mco: PathBuf,
    /// `MARCATO_CONFIG`.
    pub config: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Answer {
    /// What was typed.
    pub typed: String,
    /// The exit code.
    pub exit: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// From its start to its end, as a person waits for it.
    pub took: Duration,
}

/// What an order's `--json` says.
#[derive(Debug, Deserialize)]
pub struct Order {
    /// The job's id.
    pub job: Option<String>,
    /// The exit code, once more.
    pub exit: i32,
    /// How many nodes were expected.
    pub expected: Option<usize>,
    /// One for each expected node.
    pub replies: Vec<Reply>,
    /// Nodes that match but lack the agent.
    pub not_capable: Vec<String>,
    /// How long the whole command took.
    #[serde(skip)]
    pub took: Duration,
}

/// What became of an order on one node.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Reply {
    /// The node.
    pub sender: String,
    /// Choria's code; none where no answer came.
    pub statuscode: Option<u8>,
    /// What the node says.
    pub statusmsg: String,
    /// The outputs.
    pub data: Map<String, Value>,
    /// The end state.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// `true`, `false` or `"unknown"`.
    pub changed: Value,
    /// Until when a silent node may still start.
    pub may_start_until: Option<String>,
}

impl Operator {
    /// Types a command, without a terminal.
    ///
    /// # Errors
    /// When it cannot be started, does not end, or panics.
    pub fn mco(&self, words: &[&str]) -> Result<Answer> {
        let config = format!("MARCATO_CONFIG={}", self.config.display());
        let mco = self.mco.to_string_lossy();
        let mut argv = vec!["env", &config, &mco];
        argv.extend(words);
        let begun = Instant::now();
        let output = run::output(&argv, b"", LIMIT)?;
        let answer = Answer {
            typed: format!("mco {}", words.join(" ")),
            exit: output.status,
            out: output.text(),
            err: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
            took: begun.elapsed(),
        };
        if answer.err.contains("panicked") {
            return Err(answer.differs("it panicked"));
        }
        Ok(answer)
    }

    /// Types an order and reads its JSON, which must account for each expected node exactly once
    /// and name the exit code that the process had.
    ///
    /// # Errors
    /// As [`Operator::mco`], and when the JSON is not so.
    pub fn order(&self, words: &[&str]) -> Result<Order> {
        let answer = self.mco(&[words, &["--json"]].concat())?;
        let mut order: Order = serde_json::from_str(&answer.out)
            .map_err(|error| answer.differs(&format!("its JSON: {error}")))?;
        let mut senders: Vec<_> = order.replies.iter().map(|reply| &reply.sender).collect();
        senders.sort_unstable();
        senders.dedup();
        let accounted = order.expected == Some(senders.len());
        if order.exit != answer.exit || !accounted || senders.len() != order.replies.len() {
            return Err(answer.differs("its JSON does not account for each node once"));
        }
        order.took = answer.took;
        Ok(order)
    }

    /// Has the nodes of a job asked that had not ended until they have, and gives back what the job's
    /// record says then.
    ///
    /// # Errors
    /// As [`Operator::order`], and when it was no job.
    pub fn completed(&self, order: &Order) -> Result<Order> {
        let job = order.job.as_deref();
        let job = job.ok_or_else(|| Error::Unmet("it is no job".to_owned()))?;
        let followed = self.order(&["job", "follow", job])?;
        let kept = self.order(&["job", "show", job])?;
        let told = (followed.exit, &followed.replies);
        same("what is kept of the job", (kept.exit, &kept.replies), told)?;
        Ok(kept)
    }
}

impl Answer {
    /// The error for an answer that is not as it must be, with all that it said.
    pub fn differs(&self, what: &str) -> Error {
        let Self { typed, exit, out, err, .. } = self;
        Error::Unmet(format!("{typed}: {what}\nexit {exit}\n{out}\n{err}"))
    }

    /// Wants an exit code.
    ///
    /// # Errors
    /// When it was another.
    pub fn exits(&self, code: i32) -> Result<&Self> {
        if self.exit == code { Ok(self) } else { Err(self.differs(&format!("not exit {code}"))) }
    }

    /// Wants some text on standard error.
    ///
    /// # Errors
    /// When it is not there.
    pub fn tells(&self, text: &str) -> Result<&Self> {
        if self.err.contains(text) {
            return Ok(self);
        }
        Err(self.differs(&format!("{text:?} is not on standard error")))
    }

    /// Wants one line of standard output that holds all these words, in any place.
    ///
    /// # Errors
    /// When there is none.
    pub fn shows(&self, words: &[&str]) -> Result<&Self> {
        let fits = |line: &str| {
            let of_line: Vec<_> = line.split_whitespace().collect();
            words.iter().all(|word| of_line.contains(word))
        };
        if self.out.lines().any(fits) {
            return Ok(self);
        }
        Err(self.differs(&format!("no line has all of {words:?}")))
    }
}

impl Order {
    /// The reply of one node.
    ///
    /// # Errors
    /// When the node is not among the expected ones.
    pub fn of(&self, node: &str) -> Result<&Reply> {
        let found = self.replies.iter().find(|reply| reply.sender == node);
        found.ok_or_else(|| Error::Unmet(format!("{node} is not among {:?}", self.replies)))
    }

    /// Wants an exit code and, for each expected node, its state and reason.
    ///
    /// # Errors
    /// When anything is otherwise.
    pub fn ends(&self, exit: i32, wanted: &[(&str, &str, Option<&str>)]) -> Result<&Self> {
        let row = |reply: &Reply| (reply.sender.clone(), reply.state.clone(), reply.reason.clone());
        let mut found: Vec<_> = self.replies.iter().map(row).collect();
        found.sort();
        let mut wanted: Vec<_> = wanted
            .iter()
            .map(|&(node, state, why)| (node.to_owned(), state.to_owned(), why.map(str::to_owned)))
            .collect();
        wanted.sort();
        if (self.exit, &found) == (exit, &wanted) {
            return Ok(self);
        }
        Err(Error::Unmet(format!(
            "not exit {exit} and {wanted:?}, but exit {} and {:#?}",
            self.exit, self.replies
        )))
    }
}

impl Reply {
    /// An output as text; empty where it is missing.
    pub fn text(&self, output: &str) -> String {
        match self.data.get(output) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        }
    }
}
