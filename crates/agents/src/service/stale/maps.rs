//! `/proc/PID/maps` (proc_pid_maps(5)): which files a process runs code from.

/// What the kernel says behind the path of a file that has no name any more.
const DELETED: &[u8] = b" (deleted)";

/// Beginnings of what looks like a path and is none, or is shared memory.
const NO_FILES: [&[u8]; 9] = [
    b"/memfd:",
    b"/dev/",
    b"/SYSV",
    b"/[aio]",
    b"/anon_hugepage",
    b"/dmabuf:",
    b"/drm",
    b"/i915",
    b"/proc/",
];

/// Beginnings of names that programs give to code which they write themselves, run and forget: liborc,
/// libffi.
const WRITTEN_CODE: [&[u8]; 2] = [b"orcexec.", b"ffi"];

/// A file that a process runs code from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// Where it is mapped, as the kernel writes it: two hexadecimal addresses.
    pub range: &'a str,
    /// The device, its two numbers.
    pub device: (u32, u32),
    /// The file's number on it.
    pub inode: u64,
    /// Its path, with line breaks as `\012`.
    pub path: &'a [u8],
    /// Whether the kernel says that the path does not lead to it any more.
    pub deleted: bool,
}

impl<'a> Mapping<'a> {
    /// Reads a line. `None` for everything but code from files, and for what is no line of `maps`.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let (range, rest) = word(line)?;
        let (rights, rest) = word(rest)?;
        let (_offset, rest) = word(rest)?;
        let (device, rest) = word(rest)?;
        let (inode, rest) = word(rest)?;
        let path = rest.trim_ascii_start();
        if rights.get(2) != Some(&b'x') || !path.starts_with(b"/") {
            return None;
        }
        let (major, minor) = text(device)?.split_once(':')?;
        let number = |digits| u32::from_str_radix(digits, 16).ok();
        let (path, deleted) = split(path);
        let mapping = Self {
            range: text(range)?,
            device: (number(major)?, number(minor)?),
            inode: text(inode)?.parse().ok()?,
            path,
            deleted,
        };
        is_file(path).then_some(mapping)
    }

    /// The name of this mapping's link in `/proc/PID/map_files`.
    #[must_use]
    pub fn link(&self) -> Option<String> {
        let (from, to) = self.range.split_once('-')?;
        let plain = |digits| u64::from_str_radix(digits, 16).ok();
        Some(format!("{:x}-{:x}", plain(from)?, plain(to)?))
    }
}

/// The path that a link such as `/proc/PID/exe` leads to, and whether it is of a file that has no
/// name any more. `None` where it is no file.
#[must_use]
pub fn target(path: &[u8]) -> Option<(&[u8], bool)> {
    let (path, deleted) = split(path);
    (path.starts_with(b"/") && is_file(path)).then_some((path, deleted))
}

fn split(path: &[u8]) -> (&[u8], bool) {
    path.strip_suffix(DELETED).map_or((path, false), |path| (path, true))
}

fn is_file(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let written = |begin: &&[u8]| {
        name.strip_prefix(*begin)
            .is_some_and(|rest| rest.len() == 6 && rest.iter().all(u8::is_ascii_alphanumeric))
    };
    !NO_FILES.iter().any(|begin| path.starts_with(begin)) && !WRITTEN_CODE.iter().any(written)
}

/// The first word, and what follows it.
fn word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.trim_ascii_start();
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    (end > 0).then(|| line.split_at(end))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, want: Option<(&str, bool)>) {
        let found = Mapping::parse(line.as_bytes());
        let found = found.map(|found| (text(found.path).unwrap(), found.deleted));
        assert_eq!(found, want, "{line}");
    }

    #[test]
    fn code_from_files() {
        let at = "7f1c2a9d5000-7f1c2aa31000";
        let lib = "/usr/lib/x86_64-linux-gnu/libssl.so.3";
        check(&format!("{at} r-xp 0001e000 00:1b 1234       {lib}"), Some((lib, false)));
        check(&format!("{at} r-xp 0001e000 fe:01 1234 {lib} (deleted)"), Some((lib, true)));
        check(&format!("{at} r-xs 0001e000 fe:01 1234 {lib}"), Some((lib, false)));
        check(&format!("{at} r--p 00000000 fe:01 1234 {lib}"), None);
        check(&format!("{at} rw-p 00000000 fe:01 1234 {lib} (deleted)"), None);
        let odd = "/opt/a b/x (deleted) y\\012z";
        check(&format!("{at} r-xp 0 fe:01 1 {odd} (deleted)"), Some((odd, true)));
    }

    #[test]
    fn what_is_no_file() {
        let lines = [
            "",
            "x",
            "0-1 r-xp 0 fe:01",
            "0-1 r-xp 0 fe:01 0",
            "0-1 r-xp 0 fe:01 x /bin/a",
            "0-1 r-xp 0 fe01 1 /bin/a",
            "0-1 r-x 0 fe:zz 1 /bin/a",
            "0-1 r-xp 0 00:00 0 [vdso]",
            "0-1 rwxp 0 00:00 0 [stack]",
            "0-1 rwxp 0 00:01 9 /memfd:jit (deleted)",
            "0-1 rwxs 0 00:05 9 /dev/zero (deleted)",
            "0-1 rwxs 0 00:05 9 /dev/shm/x (deleted)",
            "0-1 rwxs 0 00:01 9 /SYSV00000000 (deleted)",
            "0-1 rwxs 0 00:11 9 /[aio] (deleted)",
            "0-1 rwxs 0 00:11 9 /anon_hugepage (deleted)",
            "0-1 rwxs 0 00:11 9 /drm mm object (deleted)",
            "0-1 rwxp 0 fe:01 9 /home/a/orcexec.Ab12Cd (deleted)",
            "0-1 rwxp 0 fe:01 9 /root/ffiAb12Cd (deleted)",
        ];
        lines.iter().for_each(|line| check(line, None));
        check("0-1 r-xp 0 fe:01 9 /usr/bin/ffiplay-bin", Some(("/usr/bin/ffiplay-bin", false)));
    }

    #[test]
    fn links() {
        let line = b"00400000-0040b000 r-xp 00000000 fe:01 9 /bin/a";
        let mapping = Mapping::parse(line).unwrap();
        assert_eq!((mapping.device, mapping.inode), ((0xfe, 1), 9));
        assert_eq!(mapping.link().unwrap(), "400000-40b000");
        assert_eq!(target(b"/usr/sbin/nginx (deleted)"), Some((&b"/usr/sbin/nginx"[..], true)));
        assert_eq!(target(b"/memfd:runc (deleted)"), None);
        assert_eq!(target(b"pipe:[1]"), None);
    }

    proptest! {
        #[test]
        fn what_the_kernel_writes_is_read_again(
            range: (u64, u64), device: (u8, u16), inode: u64, deleted: bool,
            path in "/[a-z]{2}[ -~]{0,40}[a-z]",
        ) {
            prop_assume!(is_file(path.as_bytes()) && !path.ends_with(" (deleted)"));
            let end = if deleted { " (deleted)" } else { "" };
            let line = format!(
                "{:08x}-{:08x} r-xp 00000000 {:02x}:{:02x} {inode}   {path}{end}",
                range.0, range.1, device.0, device.1
            );
            let found = Mapping::parse(line.as_bytes()).unwrap();
            prop_assert_eq!(found.device, (u32::from(device.0), u32::from(device.1)));
            prop_assert_eq!((found.inode, found.path, found.deleted), (inode, path.as_bytes(), deleted));
            prop_assert_eq!(found.link().unwrap(), format!("{:x}-{:x}", range.0, range.1));
        }

        #[test]
        fn any_bytes_are_taken(line: Vec<u8>) {
            if let Some(found) = Mapping::parse(&line) {
                prop_assert!(found.path.starts_with(b"/"));
                let _ = found.link();
            }
        }
    }
}
