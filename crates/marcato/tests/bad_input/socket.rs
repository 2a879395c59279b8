//! What a hub's broker says to bytes that are no client's, and whether it serves others after that.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long an answer may take before the case fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is published to a client that reads nothing: more than is kept for it.
const MESSAGES: usize = 90;
const MESSAGE_BYTES: usize = 1 << 20;

/// A hub of its own; it ends with the value.
pub struct Hub {
    child: Child,
    address: String,
}

impl Hub {
    /// Starts one with its files in `dir`.
    pub fn start(dir: &Path, authority: &str) -> Self {
        let [config, state] = ["hub", "hub-state"].map(|name| dir.join(name));
        std::fs::create_dir(&config).unwrap();
        std::fs::create_dir(&state).unwrap();
        let text =
            format!("collective = 'prod'\nauthority = '{authority}'\nlisten = '127.0.0.1:0'\n");
        std::fs::write(config.join("hub.toml"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcod"));
        command.arg("hub").arg("--config").arg(config).arg("--state").arg(&state);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let address = loop {
            assert_eq!(child.try_wait().unwrap(), None, "the hub has ended");
            match std::fs::read_to_string(state.join("address")) {
                Ok(text) if text.ends_with('\n') => break text.trim().to_owned(),
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        Self { child, address }
    }

    /// Sends what the words stand for: each a text with escapes, `xN` for N times the one before it,
    /// `slow` for reading only after far more was published to `x` than is kept for a client. Gives
    /// back the lines that came after INFO; of what a slow client was sent, the last one.
    pub fn hears(&self, words: &[String]) -> String {
        let mut stream = self.connect();
        let mut sent = Vec::new();
        let mut slow = false;
        for word in words {
            match word.strip_prefix('x').and_then(|times| times.parse().ok()) {
                Some(times) => sent = sent.repeat(times),
                None if word == "slow" => slow = true,
                None => sent.extend(bytes(word)),
            }
        }
        // A broker that has seen enough may have closed it by now.
        let _ = stream.get_mut().write_all(&sent);
        if slow {
            self.publish();
        } else {
            let _ = stream.get_mut().shutdown(Shutdown::Write);
        }
        let mut said = Vec::new();
        // One that closes with input unread resets the connection; what came before that counts.
        let _ = stream.read_to_end(&mut said);
        self.serves();
        let said = String::from_utf8_lossy(&said).replace('\r', "");
        if slow { said.lines().last().unwrap_or_default().to_owned() } else { said }
    }

    /// Whether another client is served.
    fn serves(&self) {
        let mut stream = self.connect();
        stream.get_mut().write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").unwrap();
        assert_eq!(line(&mut stream), "PONG\r\n");
    }

    fn publish(&self) {
        let mut stream = self.connect();
        stream.get_mut().write_all(b"CONNECT {\"verbose\":false}\r\n").unwrap();
        let head = format!("PUB x {MESSAGE_BYTES}\r\n");
        let message = [head.as_bytes(), &vec![b'm'; MESSAGE_BYTES], b"\r\n"].concat();
        for _ in 0..MESSAGES {
            stream.get_mut().write_all(&message).unwrap();
        }
        stream.get_mut().write_all(b"PING\r\n").unwrap();
        assert_eq!(line(&mut stream), "PONG\r\n");
    }

    fn connect(&self) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = BufReader::new(stream);
        assert!(line(&mut stream).starts_with("INFO {"));
        stream
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line
}

/// Reads `\r`, `\n` and `\xHH`.
fn bytes(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (_, true) => match rest.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                _ => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
            },
            (byte, false) => byte,
        });
    }
    bytes
}
