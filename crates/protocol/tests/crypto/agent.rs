//! The ssh-agent's messages: against a real agent, and against answers that no agent should give.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use marcato_protocol::ssh_agent::{
    AgentError, Answers, parse_identities, parse_sign_response, request_identities, sign_request,
};
use marcato_protocol::sshsig::{KeyError, Namespace, Signature, to_be_signed};
use tempfile::TempDir;

use crate::openssh::{Key, Question, keys, verifies};

/// A real agent on a socket of its own; it ends with the test.
struct Agent {
    process: Child,
    socket: PathBuf,
    _folder: TempDir,
}

impl Agent {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let mut process = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It prints its address once the socket is there.
        let mut line = String::new();
        let stdout = process.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert!(line.contains("SSH_AUTH_SOCK"), "{line}");
        Self { process, socket, _folder: folder }
    }

    fn add(&self, arguments: &[&std::ffi::OsStr]) {
        let status = Command::new("ssh-add")
            .arg("-q")
            .args(arguments)
            .env("SSH_AUTH_SOCK", &self.socket)
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "ssh-add {arguments:?}");
    }

    /// Sends a request and gathers the answer byte by byte, as a bad socket would give it.
    fn ask(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.write_all(request).unwrap();
        let mut answers = Answers::new();
        loop {
            let mut byte = [0u8; 1];
            stream.read_exact(&mut byte).unwrap();
            if let Some(answer) = answers.push(&byte).unwrap() {
                return answer;
            }
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // By its own handle: nothing else can be hit.
        let ended = self.process.kill().and_then(|()| self.process.wait());
        assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
    }
}

#[test]
fn a_real_agent_signs_for_us() {
    let agent = Agent::start();
    for key in keys() {
        agent.add(&[key.file.as_os_str()]);
    }
    let identities = parse_identities(&agent.ask(&request_identities())).unwrap();
    let listed: Vec<_> = identities.usable().map(|(key, _)| key.clone()).collect();
    let expected: Vec<_> = keys().iter().map(Key::public).collect();
    assert_eq!(listed, expected);
    for (public, held) in identities.usable() {
        assert_eq!(held.fingerprint, public.fingerprint());
        assert_eq!(held.comment, "operator@example.com");
        let request = sign_request(public, &to_be_signed(Namespace::Order, b"message"));
        let raw = parse_sign_response(&agent.ask(&request)).unwrap();
        let signature = Signature::assemble(public.clone(), Namespace::Order, &raw).unwrap();
        let verified = signature.verify(public, Namespace::Order, b"message");
        assert_eq!(verified, Ok(()), "{}", public.kind());
        assert!(verifies(&Question {
            allowed_signers: &format!("alice {public}"),
            principal: "alice",
            namespace: "order.v1@marcato",
            signature: &signature.to_armored(),
            message: b"message",
            time: None,
        }));
    }
}

#[test]
fn an_agent_without_the_key_refuses() {
    let agent = Agent::start();
    let identities = parse_identities(&agent.ask(&request_identities())).unwrap();
    assert_eq!(identities.keys, []);
    let request = sign_request(&keys()[0].public(), b"x");
    assert_eq!(parse_sign_response(&agent.ask(&request)), Err(AgentError::Refused));
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    out.extend(bytes);
}

#[test]
fn keys_that_cannot_sign_here_are_listed_with_the_reason() {
    let mut fido = Vec::new();
    put(&mut fido, b"sk-ssh-ed25519@openssh.com");
    put(&mut fido, &[1; 32]);
    let mut answer = vec![12, 0, 0, 0, 1];
    put(&mut answer, &fido);
    put(&mut answer, b"token \xff");
    let identities = parse_identities(&answer).unwrap();
    assert_eq!(identities.usable().count(), 0);
    let name = "sk-ssh-ed25519@openssh.com".to_owned();
    assert_eq!(identities.keys[0].key, Err(KeyError::Fido(name)));
    assert_eq!(identities.keys[0].comment, "token \u{fffd}");
    assert!(identities.keys[0].fingerprint.starts_with("SHA256:"));
}

#[test]
fn answers_that_no_agent_gives_are_refused() {
    let list = |bytes: &[u8], expected: AgentError| {
        assert_eq!(parse_identities(bytes).unwrap_err(), expected);
    };
    list(&[], AgentError::Malformed);
    list(&[5], AgentError::Refused);
    list(&[28], AgentError::Refused);
    list(&[6], AgentError::Unexpected(6));
    list(&[14, 0, 0, 0, 0], AgentError::Unexpected(14));
    list(&[12], AgentError::Malformed);
    list(&[12, 0, 0, 0, 0, 0], AgentError::Malformed);
    list(&[12, 0, 0, 0, 1, 0, 0, 0, 9], AgentError::Malformed);
    list(&[12, 0, 0, 8, 1], AgentError::TooManyKeys(2049));
    list(&[12, 255, 255, 255, 255], AgentError::TooManyKeys(u32::MAX));
    let sign = |bytes: &[u8], expected: Result<Vec<u8>, AgentError>| {
        assert_eq!(parse_sign_response(bytes), expected);
    };
    sign(&[14, 0, 0, 0, 1, 7], Ok(vec![7]));
    sign(&[14, 0, 0, 0, 2, 7], Err(AgentError::Malformed));
    sign(&[14, 0, 0, 0, 0, 7], Err(AgentError::Malformed));
    sign(&[14, 255, 255, 255, 255], Err(AgentError::Malformed));
    sign(&[12, 0, 0, 0, 0], Err(AgentError::Unexpected(12)));
}

#[test]
fn answers_are_gathered_whatever_the_pieces() {
    let bytes = [0, 0, 0, 2, 5, 6, 0, 0, 0, 1, 7];
    for cut in 0..=bytes.len() {
        let mut answers = Answers::new();
        let mut got = Vec::new();
        for piece in [&bytes[..cut], &bytes[cut..], &[], &[]] {
            got.extend(answers.push(piece).unwrap());
        }
        assert_eq!(got, [vec![5, 6], vec![7]], "cut at {cut}");
    }
    let mut answers = Answers::new();
    assert_eq!(answers.push(&[0, 4, 0, 1]), Err(AgentError::TooLong(256 * 1024 + 1)));
    assert_eq!(Answers::new().push(&[0; 4]), Err(AgentError::Malformed));
    assert_eq!(Answers::new().push(&[0, 4, 0, 0]), Ok(None));
}
