//! The operator's key in a real ssh-agent, in a file, and in agents that no one should have.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use marcato_client::shell::signer::{AgentSigner, KeySigner, Signer, SignerError, read_key_file};
use marcato_protocol::keys::KeyFile;
use marcato_protocol::sshsig::{Namespace, PublicKey};

/// An ssh-agent of the test's own, ended with it.
struct Agent {
    process: Child,
    folder: tempfile::TempDir,
}

impl Agent {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let mut process = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .env_remove("SSH_ASKPASS")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It prints its variables once the socket is there.
        process.stdout.as_mut().unwrap().read_exact(&mut [0; 1]).unwrap();
        Self { process, folder }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("agent")
    }

    /// Makes a key, hands it to the agent, and gives its fingerprint.
    fn add(&self, kind: &[&str], flags: &[&str]) -> String {
        let file = key_file(self.folder.path(), kind);
        let added = Command::new("ssh-add")
            .args(["-q"])
            .args(flags)
            .arg(&file)
            .env("SSH_AUTH_SOCK", self.socket())
            .status();
        assert!(added.unwrap().success());
        let shown = Command::new("ssh-keygen").arg("-lf").arg(&file).output().unwrap();
        let text = String::from_utf8(shown.stdout).unwrap();
        text.split_whitespace().nth(1).unwrap().to_owned()
    }

    async fn open(&self, wanted: Option<&str>) -> Result<AgentSigner, SignerError> {
        AgentSigner::open(&self.socket(), wanted).await
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn key_file(folder: &Path, kind: &[&str]) -> PathBuf {
    let file = folder.join(kind.join("-"));
    let made = Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-C", "ops@example.com", "-t"])
        .args(kind)
        .arg("-f")
        .arg(&file)
        .status();
    assert!(made.unwrap().success());
    file
}

async fn signs(signer: &dyn Signer, key: &PublicKey) {
    let signature = signer.sign(b"an order").await.unwrap();
    signature.verify(key, Namespace::Order, b"an order").unwrap();
}

const ED25519: &[&str] = &["ed25519"];

#[tokio::test]
async fn every_kind_of_key_in_a_real_agent() {
    for kind in [ED25519, &["ecdsa", "-b", "256"], &["ecdsa", "-b", "521"], &["rsa", "-b", "3072"]]
    {
        let agent = Agent::start();
        let fingerprint = agent.add(kind, &[]);
        // With one key in the agent none needs naming.
        for wanted in [None, Some(fingerprint.as_str())] {
            let signer = agent.open(wanted).await.unwrap();
            assert_eq!(signer.public().fingerprint(), fingerprint);
            signs(&signer, signer.public()).await;
        }
    }
}

#[tokio::test]
async fn an_agent_with_none_or_several_keys() {
    let agent = Agent::start();
    let error = agent.open(None).await.unwrap_err();
    assert_eq!(error.to_string(), "the ssh-agent holds no key that can sign orders");
    let first = agent.add(ED25519, &[]);
    let second = agent.add(&["ecdsa"], &[]);
    let error = agent.open(None).await.unwrap_err().to_string();
    assert!(error.contains("holds several keys; name one"), "{error}");
    assert!(error.contains(&first) && error.contains(&second), "{error}");
    assert!(error.contains("ops@example.com"), "{error}");
    let signer = agent.open(Some(&second)).await.unwrap();
    signs(&signer, signer.public()).await;
    let error = agent.open(Some("SHA256:none")).await.unwrap_err();
    assert!(error.to_string().contains("does not hold the key SHA256:none; it holds: "), "{error}");
}

/// A key too short to sign orders is no second key to choose from, and is refused by name.
#[tokio::test]
async fn a_key_of_a_kind_that_cannot_sign() {
    let agent = Agent::start();
    let short = agent.add(&["rsa", "-b", "2048"], &[]);
    let error = agent.open(Some(&short)).await.unwrap_err();
    assert!(matches!(error, SignerError::Unusable { .. }), "{error}");
    let error = agent.open(None).await.unwrap_err().to_string();
    assert!(error.contains("holds no key that can sign orders; it holds: SHA256:"), "{error}");
    agent.add(ED25519, &[]);
    let signer = agent.open(None).await.unwrap();
    signs(&signer, signer.public()).await;
}

/// A key that wants to be confirmed, where nobody can be asked, is declined by the agent.
#[tokio::test]
async fn declined() {
    let agent = Agent::start();
    agent.add(ED25519, &["-c"]);
    let signer = agent.open(None).await.unwrap();
    let error = signer.sign(b"an order").await.unwrap_err();
    assert!(error.to_string().starts_with("the ssh-agent refused"), "{error}");
}

#[tokio::test]
async fn agents_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent");
    let error = AgentSigner::open(&socket, None).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("ssh-agent at {}: ", socket.display())), "{error}");
    let check = async |answer: &'static [u8], part: &str| {
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let serve = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
            stream.write_all(answer).unwrap();
        });
        let error = AgentSigner::open(&socket, None).await.unwrap_err().to_string();
        serve.join().unwrap();
        assert!(error.contains(part), "{error}");
    };
    check(b"", "end of file").await;
    check(b"\0\0\0\x09\x0c\0\0", "end of file").await;
    check(b"\0\0\0\x01\x05", "refused").await;
    check(b"\0\0\0\x01\x63", "type 99").await;
    check(b"\xff\xff\xff\xff", "at most 262144 are read").await;
    check(b"\0\0\0\x05\x0c\0\0\xff\xff", "at most 2048 are read").await;
    check(b"\0\0\0\x05\x0c\0\0\0\x01", "malformed").await;
}

#[tokio::test]
async fn key_files() {
    let folder = tempfile::tempdir().unwrap();
    for kind in [ED25519, &["ecdsa", "-b", "384"], &["rsa", "-b", "3072"]] {
        let KeyFile::Plain(key) = read_key_file(&key_file(folder.path(), kind)).unwrap() else {
            panic!("{kind:?} is not encrypted");
        };
        let signer = KeySigner::new(key);
        signs(&signer, signer.public()).await;
    }
    let file = folder.path().join("ed25519");
    let check = |path: &Path, part: &str| {
        let error = read_key_file(path).unwrap_err().to_string();
        assert!(error.starts_with(&path.display().to_string()), "{error}");
        assert!(error.contains(part), "{error}");
    };
    check(&folder.path().join("none"), "No such file");
    check(&folder.path().join("ed25519.pub"), "this is a public key");
    let mut careless = File::create_new(folder.path().join("careless")).unwrap();
    careless.set_permissions(Permissions::from_mode(0o644)).unwrap();
    careless.write_all(&std::fs::read(&file).unwrap()).unwrap();
    check(&folder.path().join("careless"), "others may read this key (mode 0644)");
    let locked = Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "secret", "-f"])
        .arg(&file)
        .status();
    assert!(locked.unwrap().success());
    let KeyFile::Encrypted(key) = read_key_file(&file).unwrap() else { panic!() };
    assert!(key.decrypt("wrong").is_err());
    let signer = KeySigner::new(key.decrypt("secret").unwrap());
    signs(&signer, signer.public()).await;
}
