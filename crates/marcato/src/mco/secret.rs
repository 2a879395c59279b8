//! Asks for a passphrase on the terminal, without showing it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};

use marcato_core::limits::client::PASSPHRASE_BYTES_MAX;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// The terminal without echo; it gets its old ways back when this is dropped.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    /// Signals are off as well: a Ctrl-C comes in as a letter, so that the program never ends
    /// between here and the drop.
    fn new() -> io::Result<Self> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // There is no other way to mend a terminal that refuses.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
        let _ = self.terminal.write_all(b"\n");
    }
}

/// Asks on the controlling terminal, whatever standard input and output are.
///
/// # Errors
/// There is no terminal, it was closed, or the operator went (`Interrupted`).
pub fn ask(question: &str) -> io::Result<Zeroizing<String>> {
    let mut silent = Silent::new()?;
    silent.terminal.write_all(question.as_bytes())?;
    let mut typed = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX));
    loop {
        let mut byte = [0];
        if silent.terminal.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match byte[0] {
            b'\r' | b'\n' => break,
            // Ctrl-C, Ctrl-D and Ctrl-\.
            0x03 | 0x04 | 0x1c => return Err(io::ErrorKind::Interrupted.into()),
            // Backspace takes a whole character of UTF-8, Ctrl-U the line.
            0x7f | 0x08 => while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            0x15 => typed.clear(),
            byte if typed.len() < PASSPHRASE_BYTES_MAX => typed.push(byte),
            _ => {}
        }
    }
    let text = std::str::from_utf8(&typed).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Zeroizing::new(text.to_owned()))
}
