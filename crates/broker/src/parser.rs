//! From bytes to operations: the client's half of the NATS protocol, however the bytes are cut.
//!
//! An operation that lies whole in what was just read is borrowed from there; only what is left
//! unfinished is kept, so an idle connection keeps nothing.

use crate::refusal::Refusal;

/// What one client may send, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct ParserLimits {
    /// The longest arguments of one control line.
    pub control_line: usize,
    /// The longest message, headers and payload together.
    pub payload: usize,
}

/// One operation of a client, its arguments as they came.
#[derive(Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// `CONNECT {json}`.
    Connect(&'a [u8]),
    /// `PUB` or `HPUB`.
    Publish {
        /// Where to.
        subject: &'a [u8],
        /// Where answers go.
        reply: Option<&'a [u8]>,
        /// How many bytes of `body` are headers; `None` for `PUB`.
        headers: Option<usize>,
        /// Headers and payload.
        body: &'a [u8],
    },
    /// `SUB`.
    Subscribe {
        /// The pattern.
        subject: &'a [u8],
        /// The queue group.
        queue: Option<&'a [u8]>,
        /// The client's own name for the subscription.
        sid: &'a [u8],
    },
    /// `UNSUB`.
    Unsubscribe {
        /// The client's own name for the subscription.
        sid: &'a [u8],
        /// After how many messages since SUB; `None` is now.
        max: Option<u64>,
    },
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Connect,
    Pub,
    Hpub,
    Sub,
    Unsub,
    Ping,
    Pong,
}

const VERBS: [(&[u8], Verb); 7] = [
    (b"CONNECT", Verb::Connect),
    (b"PUB", Verb::Pub),
    (b"HPUB", Verb::Hpub),
    (b"SUB", Verb::Sub),
    (b"UNSUB", Verb::Unsub),
    (b"PING", Verb::Ping),
    (b"PONG", Verb::Pong),
];

/// The bytes of the longest verb, and a blank after it.
const VERB_BYTES_MAX: usize = 8;

enum Scan<'a> {
    /// A whole operation, and how many bytes it took.
    Whole(Op<'a>, usize),
    /// Not yet: how many bytes it takes in all, once that is known.
    Partial(Option<usize>),
}

/// Cuts a stream of bytes into operations.
#[derive(Debug)]
pub struct Parser {
    limits: ParserLimits,
    kept: Vec<u8>,
    /// How many bytes `kept` needs before looking again makes sense; 0 is up to the line's end.
    wanted: usize,
    connect_only: bool,
}

impl Parser {
    /// A parser at the start of a connection. With `connect_only`, everything but CONNECT is
    /// refused until [`Parser::open`].
    pub fn new(limits: ParserLimits, connect_only: bool) -> Self {
        Self { limits, kept: Vec::new(), wanted: 0, connect_only }
    }

    /// Lets every verb pass.
    pub fn open(&mut self) {
        self.connect_only = false;
    }

    /// How many bytes of an unfinished operation are kept.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Hands the next operation to `use_op` and takes its bytes off `input`; what is unfinished is
    /// kept and `None` returned. After an error the stream has no meaning any more.
    pub fn next<T>(
        &mut self,
        input: &mut &[u8],
        use_op: impl FnOnce(&mut Self, Op<'_>) -> T,
    ) -> Result<Option<T>, Refusal> {
        if self.kept.is_empty() {
            let buf = *input;
            return match scan(buf, self.limits, self.connect_only)? {
                Scan::Whole(op, used) => {
                    *input = &buf[used..];
                    Ok(Some(use_op(self, op)))
                }
                Scan::Partial(wanted) => {
                    self.keep(input, wanted);
                    Ok(None)
                }
            };
        }
        self.next_kept(input, use_op)
    }

    fn next_kept<T>(
        &mut self,
        input: &mut &[u8],
        use_op: impl FnOnce(&mut Self, Op<'_>) -> T,
    ) -> Result<Option<T>, Refusal> {
        while !input.is_empty() {
            let take = if self.wanted == 0 {
                input.iter().position(|b| *b == b'\n').map_or(input.len(), |at| at + 1)
            } else {
                input.len().min(self.wanted - self.kept.len())
            };
            self.kept.extend_from_slice(&input[..take]);
            *input = &input[take..];
            if self.kept.len() < self.wanted {
                return Ok(None);
            }
            let kept = std::mem::take(&mut self.kept);
            match scan(&kept, self.limits, self.connect_only)? {
                Scan::Whole(op, _) => {
                    self.wanted = 0;
                    return Ok(Some(use_op(self, op)));
                }
                Scan::Partial(wanted) => {
                    self.kept = kept;
                    self.want(wanted);
                }
            }
        }
        Ok(None)
    }

    fn keep(&mut self, input: &mut &[u8], wanted: Option<usize>) {
        self.want(wanted);
        self.kept.extend_from_slice(input);
        *input = &[];
    }

    fn want(&mut self, wanted: Option<usize>) {
        self.wanted = wanted.unwrap_or(0);
        self.kept.reserve_exact(self.wanted.saturating_sub(self.kept.len()));
    }
}

/// Looks for one whole operation at the start of `buf`.
fn scan(buf: &[u8], limits: ParserLimits, connect_only: bool) -> Result<Scan<'_>, Refusal> {
    if buf.is_empty() {
        return Ok(Scan::Partial(None));
    }
    let window = &buf[..buf.len().min(VERB_BYTES_MAX + limits.control_line + 3)];
    let Some(end) = window.iter().position(|b| *b == b'\n') else {
        let verb = verb_so_far(window)?;
        admit(verb, connect_only)?;
        // It may be the first half of the line's end.
        check_line(verb, window.strip_suffix(b"\r").unwrap_or(window), limits)?;
        return Ok(Scan::Partial(None));
    };
    let line = &buf[..end];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let name_end = line.iter().position(|b| is_blank(*b)).unwrap_or(line.len());
    let (name, args) = line.split_at(name_end);
    let verb = VERBS
        .iter()
        .find(|(verb, _)| name.eq_ignore_ascii_case(verb))
        .map(|(_, verb)| *verb)
        .ok_or(Refusal::UnknownOperation)?;
    admit(Some(verb), connect_only)?;
    check_line(Some(verb), line, limits)?;
    match verb {
        Verb::Pub | Verb::Hpub => scan_publish(buf, args, end + 1, verb, limits),
        _ => Ok(Scan::Whole(line_op(verb, args)?, end + 1)),
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// Refuses a line as soon as no verb can come of it, so that garbage without a line's end is not
/// waited for.
fn verb_so_far(line: &[u8]) -> Result<Option<Verb>, Refusal> {
    let whole = line.iter().position(|b| is_blank(*b));
    let name = &line[..whole.unwrap_or(line.len())];
    let mut possible = VERBS.iter().filter(|(verb, _)| {
        verb.len() >= name.len() && verb[..name.len()].eq_ignore_ascii_case(name)
    });
    if whole.is_some() {
        return match possible.find(|(verb, _)| verb.len() == name.len()) {
            Some((_, verb)) => Ok(Some(*verb)),
            None => Err(Refusal::UnknownOperation),
        };
    }
    possible.next().map(|_| None).ok_or(Refusal::UnknownOperation)
}

/// Before login nothing but CONNECT is read, so that a stranger cannot make the broker keep a
/// payload.
fn admit(verb: Option<Verb>, connect_only: bool) -> Result<(), Refusal> {
    match verb {
        Some(verb) if connect_only && verb != Verb::Connect => Err(Refusal::Authorization),
        _ => Ok(()),
    }
}

fn check_line(verb: Option<Verb>, line: &[u8], limits: ParserLimits) -> Result<(), Refusal> {
    let name = VERBS.iter().find(|(_, v)| Some(*v) == verb).map_or(0, |(name, _)| name.len());
    let args = line.len().saturating_sub(name + 1);
    if args > limits.control_line { Err(Refusal::ControlLine) } else { Ok(()) }
}

fn line_op(verb: Verb, args: &[u8]) -> Result<Op<'_>, Refusal> {
    match verb {
        Verb::Connect => Ok(Op::Connect(args.trim_ascii())),
        Verb::Ping => Ok(Op::Ping),
        Verb::Pong => Ok(Op::Pong),
        Verb::Sub => {
            let (args, count) = words::<3>(args)?;
            match count {
                2 => Ok(Op::Subscribe { subject: args[0], queue: None, sid: args[1] }),
                3 => Ok(Op::Subscribe { subject: args[0], queue: Some(args[1]), sid: args[2] }),
                0 => Err(Refusal::UnknownOperation),
                _ => Err(Refusal::BadArguments),
            }
        }
        Verb::Unsub => {
            let (args, count) = words::<2>(args)?;
            match count {
                1 => Ok(Op::Unsubscribe { sid: args[0], max: None }),
                // nats-server reads a number that is none as "now".
                2 => Ok(Op::Unsubscribe { sid: args[0], max: number(args[1]).filter(|n| *n > 0) }),
                _ => Err(Refusal::UnknownOperation),
            }
        }
        Verb::Pub | Verb::Hpub => Err(Refusal::UnknownOperation),
    }
}

fn scan_publish<'a>(
    buf: &'a [u8],
    args: &'a [u8],
    start: usize,
    verb: Verb,
    limits: ParserLimits,
) -> Result<Scan<'a>, Refusal> {
    let (args, count) = words::<4>(args)?;
    if count == 0 {
        return Err(Refusal::UnknownOperation);
    }
    let (reply, header_word, size_word) = match (verb, count) {
        (Verb::Pub, 2) => (None, None, args[1]),
        (Verb::Pub, 3) => (Some(args[1]), None, args[2]),
        (Verb::Hpub, 3) => (None, Some(args[1]), args[2]),
        (Verb::Hpub, 4) => (Some(args[1]), Some(args[2]), args[3]),
        _ => return Err(Refusal::BadArguments),
    };
    let size = number(size_word).ok_or(Refusal::BadArguments)?;
    let headers = match header_word {
        Some(word) => Some(number(word).filter(|n| *n <= size).ok_or(Refusal::BadArguments)?),
        None => None,
    };
    if size > limits.payload as u64 {
        return Err(Refusal::Payload);
    }
    let end = start + size as usize;
    let total = end + 2;
    if buf.len() < total {
        return Ok(Scan::Partial(Some(total)));
    }
    if &buf[end..total] != b"\r\n" {
        return Err(Refusal::UnknownOperation);
    }
    let headers = headers.map(|n| n as usize);
    let op = Op::Publish { subject: args[0], reply, headers, body: &buf[start..end] };
    Ok(Scan::Whole(op, total))
}

/// Cuts `args` into at most `N` words.
fn words<const N: usize>(args: &[u8]) -> Result<([&[u8]; N], usize), Refusal> {
    let mut found = [&[][..]; N];
    let mut count = 0;
    for word in args.split(|b| is_blank(*b)).filter(|word| !word.is_empty()) {
        *found.get_mut(count).ok_or(Refusal::BadArguments)? = word;
        count += 1;
    }
    Ok((found, count))
}

/// Reads decimal digits; anything else is none, and so is what exceeds 64 bits.
fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ParserLimits = ParserLimits { control_line: 16, payload: 16 };

    /// Whether the line is too long must not depend on where the network cut it.
    fn check(line: &str, too_long: bool) {
        for cut in 0..=line.len() {
            let mut parser = Parser::new(LIMITS, false);
            let (first, second) = line.as_bytes().split_at(cut);
            let refused = [first, second].iter().any(|piece| {
                let mut piece: &[u8] = piece;
                matches!(parser.next(&mut piece, |_, _| ()), Err(Refusal::ControlLine))
            });
            assert_eq!(refused, too_long, "{line:?} cut at {cut}");
        }
    }

    #[test]
    fn a_lines_length_is_counted_without_its_end() {
        check("SUB a 0123456789abcd\r\n", false);
        check("SUB a 0123456789abcd\n", false);
        check("SUB a 0123456789abcde\r\n", true);
        check("SUB a 0123456789abcd\r\r\n", true);
    }
}
