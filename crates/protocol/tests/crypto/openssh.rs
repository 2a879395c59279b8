//! OpenSSH as the oracle: keys made by `ssh-keygen`, signatures made and checked by it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use marcato_protocol::keys::{KeyFile, OperatorKey};
use marcato_protocol::sshsig::PublicKey;
use tempfile::TempDir;

/// A P-256 key that can be read.
pub const ECDSA256: &str = include_str!("../vectors/keys/ecdsa256");

/// One real key in a file.
pub struct Key {
    pub name: &'static str,
    pub file: PathBuf,
}

impl Key {
    pub fn public(&self) -> PublicKey {
        self.public_line().parse().unwrap()
    }

    pub fn public_line(&self) -> String {
        fs::read_to_string(self.file.with_extension("pub")).unwrap()
    }

    /// Has `ssh-keygen` write the file anew.
    pub fn change(&self, arguments: &[&str]) {
        let mut command = Command::new("ssh-keygen");
        command.arg("-q").args(arguments).arg("-f").arg(&self.file);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    pub fn operator(&self) -> OperatorKey {
        match OperatorKey::parse(&fs::read_to_string(&self.file).unwrap()).unwrap() {
            KeyFile::Plain(key) => key,
            KeyFile::Encrypted(_) => panic!("{} has a passphrase", self.name),
        }
    }
}

/// Makes a key in the folder; `name` names its file too.
pub fn keygen(folder: &Path, name: &'static str, arguments: &[&str]) -> Key {
    let file = folder.join(name);
    let status = Command::new("ssh-keygen")
        .args(["-q", "-C", "operator@example.com", "-f"])
        .arg(&file)
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .expect("these tests need ssh-keygen (openssh-client)");
    assert!(status.success(), "ssh-keygen {arguments:?}");
    Key { name, file }
}

/// Puts a key that was made once into the folder. Of P-256 keys one in 512 cannot be read from a file.
pub fn given(folder: &Path, name: &'static str, pem: &str) -> Key {
    let file = folder.join(name);
    // ssh-keygen refuses a private key that others can read.
    let mut options = fs::OpenOptions::new();
    let mut opened = options.mode(0o600).create_new(true).write(true).open(&file).unwrap();
    opened.write_all(pem.as_bytes()).unwrap();
    let key = Key { name, file };
    // Writes the public half too.
    key.change(&["-c", "-C", "operator@example.com", "-P", ""]);
    key
}

/// One key of each kind that may sign, made once for all tests.
pub fn keys() -> &'static [Key] {
    static KEYS: LazyLock<(TempDir, Vec<Key>)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let kinds: [(&str, &[&str]); 4] = [
            ("ed25519", &["-t", "ed25519", "-N", ""]),
            ("ecdsa384", &["-t", "ecdsa", "-b", "384", "-N", ""]),
            ("ecdsa521", &["-t", "ecdsa", "-b", "521", "-N", ""]),
            ("rsa3072", &["-t", "rsa", "-b", "3072", "-N", ""]),
        ];
        let make = |(name, arguments)| keygen(folder.path(), name, arguments);
        let mut keys: Vec<Key> = kinds.map(make).into_iter().collect();
        keys.insert(1, given(folder.path(), "ecdsa256", ECDSA256));
        (folder, keys)
    });
    &KEYS.1
}

/// The key of that name.
pub fn key(name: &str) -> &'static Key {
    keys().iter().find(|key| key.name == name).unwrap()
}

/// What `ssh-keygen -Y sign` writes for the message.
pub fn sign(key: &Key, namespace: &str, options: &[&str], message: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message");
    fs::write(&file, message).unwrap();
    let output = Command::new("ssh-keygen")
        .args(["-Y", "sign", "-n", namespace, "-f"])
        .arg(&key.file)
        .args(options)
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    fs::read_to_string(folder.path().join("message.sig")).unwrap()
}

/// What is asked of `ssh-keygen -Y verify`.
pub struct Question<'a> {
    pub allowed_signers: &'a str,
    pub principal: &'a str,
    pub namespace: &'a str,
    pub signature: &'a str,
    pub message: &'a [u8],
    /// `YYYYMMDDHHMMSSZ`; now when there is none.
    pub time: Option<&'a str>,
}

/// Whether `ssh-keygen -Y verify` accepts.
pub fn verifies(question: &Question<'_>) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-Y", "verify", "-n", question.namespace])
        .args(["-I", question.principal, "-f"])
        .arg(file("allowed", question.allowed_signers.as_bytes()))
        .arg("-s")
        .arg(file("signature", question.signature.as_bytes()));
    if let Some(time) = question.time {
        command.arg(format!("-Overify-time={time}"));
    }
    let message = fs::File::open(file("message", question.message)).unwrap();
    let output = command.stdin(message).output().unwrap();
    output.status.success()
}

/// The names that `ssh-keygen -Y find-principals` gives for the signature.
pub fn find_principals(allowed_signers: &str, signature: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("allowed"), allowed_signers).unwrap();
    fs::write(folder.path().join("signature"), signature).unwrap();
    let output = Command::new("ssh-keygen")
        .args(["-Y", "find-principals", "-f"])
        .arg(folder.path().join("allowed"))
        .arg("-s")
        .arg(folder.path().join("signature"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().flat_map(|line| line.split(',')).map(str::to_owned).collect()
}
