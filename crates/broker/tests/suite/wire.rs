//! The wire suite: raw lines in, lines out, on the broker and on real nats-servers.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::case::{self, Act, Case, Piece};
use crate::servers::{self, Server};

/// How many cases there must be at least; a folder that was not found has none.
const CASES_MIN: usize = 80;

/// How long a server may take for a line before a case fails.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn every_case_on_every_server() {
    let cases = case::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").as_path());
    assert!(cases.len() >= CASES_MIN, "{} cases", cases.len());
    let nats = servers::nats_servers();
    if nats.is_empty() {
        println!("MARCATO_NATS_SERVER names no nats-server: the cases run on the broker alone");
    }
    for profile in servers::PROFILES {
        assert!(cases.iter().any(|case| case.profile == profile), "no case uses {profile}");
    }
    let failures: Vec<String> = std::thread::scope(|scope| {
        let cases = &cases;
        let mut running = vec![scope.spawn(|| play_all(cases, "ours", Server::ours))];
        for (version, path) in &nats {
            running.push(
                scope.spawn(|| play_all(cases, version, |profile| Server::nats(path, profile))),
            );
        }
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let servers = nats.len() + 1;
    println!("{} cases, whole and byte by byte, on {servers} servers", cases.len());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Plays all cases on one kind of server, and says which failed.
///
/// Each has a server of its own: nobody sees from outside when a server has forgotten a client that
/// closed, and until then that client's subscriptions take a group's messages.
fn play_all(cases: &[Case], name: &str, start: impl Fn(&str) -> Server) -> Vec<String> {
    let mut failures = Vec::new();
    for case in cases {
        for cut in [false, true] {
            let server = start(&case.profile);
            if let Err(what) = play(case, name, server.address(), cut) {
                let cut = if cut { ", byte by byte" } else { "" };
                failures.push(format!("{} on {name}{cut}: {what}", case.name));
            }
        }
    }
    failures
}

fn play(case: &Case, server: &str, address: SocketAddr, cut: bool) -> Result<(), String> {
    let mut clients: HashMap<&str, Client> = HashMap::new();
    let mut unordered: Vec<(&str, &[u8])> = Vec::new();
    let answers_pings = case.profile != "pings";
    let steps: Vec<_> = case.steps.iter().filter(|step| step.counts_for(server)).collect();
    for (index, step) in steps.iter().enumerate() {
        if !clients.contains_key(step.client.as_str()) {
            let client = Client::connect(address, answers_pings).map_err(|e| e.to_string())?;
            clients.insert(&step.client, client);
        }
        let client = clients.get_mut(step.client.as_str()).unwrap();
        let fail = |e: String| format!("step {} ({:?}): {e}", index + 1, step.act);
        match &step.act {
            // A server may close before it has read everything; what it said counts.
            Act::Send(pieces) => client.send(pieces, cut).unwrap_or(()),
            Act::Close => client.close().map_err(fail)?,
            Act::Closed => client.expect_close().map_err(fail)?,
            Act::Line(wanted) => client.expect(wanted).map_err(fail)?,
            Act::Repeated(line) => {
                client.expect(std::slice::from_ref(line)).map_err(fail)?;
                client.repeated = Some(line.clone());
            }
            Act::Info(fields) => client.expect_info(fields).map_err(fail)?,
            Act::Unordered(line) => {
                unordered.push((&step.client, line));
                let next = steps.get(index + 1).map(|next| (&next.client, &next.act));
                if matches!(next, Some((name, Act::Unordered(_))) if *name == step.client) {
                    continue;
                }
                client.expect_all(&mut unordered).map_err(fail)?;
            }
        }
    }
    for (name, mut client) in clients {
        client.quiet_end(cut).map_err(|e| format!("at the end of client {name:?}: {e}"))?;
    }
    Ok(())
}

struct Client {
    stream: BufReader<TcpStream>,
    info: Vec<u8>,
    answers_pings: bool,
    /// The line that may come again before the next one that is expected.
    repeated: Option<Vec<u8>>,
    closed: bool,
}

impl Client {
    fn connect(address: SocketAddr, answers_pings: bool) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut stream = BufReader::new(stream);
        let mut info = Vec::new();
        stream.read_until(b'\n', &mut info)?;
        Ok(Self { stream, info, answers_pings, repeated: None, closed: false })
    }

    fn send(&mut self, pieces: &[Piece], cut: bool) -> io::Result<()> {
        let stream = self.stream.get_mut();
        if !cut {
            return stream.write_all(&case::flat(pieces));
        }
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => {
                    for byte in bytes {
                        stream.write_all(&[*byte])?;
                    }
                }
                Piece::Repeated(..) => {
                    stream.write_all(&case::flat(std::slice::from_ref(piece)))?;
                }
            }
        }
        Ok(())
    }

    /// The next line; `None` at the end.
    fn line(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            let mut line = Vec::new();
            match self.stream.read_until(b'\n', &mut line) {
                // A server that closes with input unread resets the connection.
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(e) => return Err(format!("no answer: {e}, after {}", show(&line))),
                Ok(0) => return Ok(None),
                Ok(_) => {}
            }
            if self.repeated.as_ref() == Some(&line) {
                continue;
            }
            if line != b"PING\r\n" || !self.answers_pings {
                self.repeated = None;
                return Ok(Some(line));
            }
            self.stream.get_mut().write_all(b"PONG\r\n").map_err(|e| e.to_string())?;
        }
    }

    fn expect(&mut self, wanted: &[Vec<u8>]) -> Result<(), String> {
        // A payload may hold line ends of its own.
        let Some(mut got) = self.line()? else { return Err("the server closed".to_owned()) };
        while wanted.iter().any(|w| w.len() > got.len() && w.starts_with(&got)) {
            got.extend(self.line()?.ok_or("the server closed")?);
        }
        if wanted.contains(&got) { Ok(()) } else { Err(format!("got {}", show(&got))) }
    }

    fn expect_all(&mut self, wanted: &mut Vec<(&str, &[u8])>) -> Result<(), String> {
        while !wanted.is_empty() {
            let mut got = self.line()?.ok_or("the server closed")?;
            while wanted.iter().any(|(_, w)| w.len() > got.len() && w.starts_with(&got)) {
                got.extend(self.line()?.ok_or("the server closed")?);
            }
            let place = wanted.iter().position(|(_, want)| *want == got);
            wanted.swap_remove(place.ok_or_else(|| format!("got {}", show(&got)))?);
        }
        Ok(())
    }

    /// Says no more, and waits until the server has closed too.
    fn close(&mut self) -> Result<(), String> {
        self.closed = true;
        // A server that has closed by now is what is waited for.
        self.stream.get_ref().shutdown(std::net::Shutdown::Write).ok();
        while self.line()?.is_some() {}
        Ok(())
    }

    fn expect_close(&mut self) -> Result<(), String> {
        self.closed = true;
        match self.line()? {
            None => Ok(()),
            Some(line) => Err(format!("got {}", show(&line))),
        }
    }

    fn expect_info(
        &self,
        fields: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<(), String> {
        let json = self.info.strip_prefix(b"INFO ").ok_or("no INFO")?;
        let info: serde_json::Value = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let wrong = fields.iter().find(|(name, value)| info.get(name) != Some(value));
        wrong.map_or(Ok(()), |(name, _)| Err(format!("{name} is {:?}", info.get(name))))
    }

    fn quiet_end(&mut self, cut: bool) -> Result<(), String> {
        if self.closed {
            return Ok(());
        }
        self.send(&[Piece::Bytes(b"PING\r\n".to_vec())], cut).map_err(|e| e.to_string())?;
        self.expect(&[b"PONG\r\n".to_vec()])
    }
}

fn show(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    text.get(..200).unwrap_or(&text).to_owned()
}
