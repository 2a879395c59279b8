//! Memory and swap space.

use std::path::Path;

use super::{Found, read, unit};

/// Adds how much there is.
pub(super) fn add(found: &mut Found, root: &Path) {
    let memory = Memory::read(root);
    for (name, size, mebibytes) in [
        ("memory.system", memory.total, "memorysize_mb"),
        ("memory.swap", memory.swap_total, "swapsize_mb"),
    ] {
        if let Some(size) = size {
            found.put(&format!("{name}.total"), unit::bytes(size));
            found.put(&format!("{name}.total_bytes"), size);
            found.put(mebibytes, unit::mebibytes(size));
        }
    }
}

/// Adds how much of it is free.
pub(super) fn measure(found: &mut Found, root: &Path) {
    let memory = Memory::read(root);
    for (name, total, free, mebibytes) in [
        ("memory.system", memory.total, memory.available, "memoryfree_mb"),
        ("memory.swap", memory.swap_total, memory.swap_free, "swapfree_mb"),
    ] {
        if let (Some(total), Some(free)) = (total, free) {
            let used = total.saturating_sub(free);
            let mut put = |inner: &str, value: String| found.put(&format!("{name}.{inner}"), value);
            put("available", unit::bytes(free));
            put("used", unit::bytes(used));
            put("capacity", unit::percent(used, total));
            found.put(&format!("{name}.available_bytes"), free);
            found.put(&format!("{name}.used_bytes"), used);
            found.put(mebibytes, unit::mebibytes(free));
        }
    }
}

/// What `/proc/meminfo` says, in bytes; what is not there at all is no value.
struct Memory {
    total: Option<u64>,
    available: Option<u64>,
    swap_total: Option<u64>,
    swap_free: Option<u64>,
}

impl Memory {
    fn read(root: &Path) -> Self {
        let file = read(root, "proc/meminfo");
        let amount = |key: &str| {
            let line = file.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
            kibibytes.checked_mul(1024)
        };
        let some = |size: Option<u64>| size.filter(|size| *size > 0);
        Self {
            total: some(amount("MemTotal")),
            // Kernels before 3.14 do not estimate it.
            available: amount("MemAvailable")
                .or_else(|| Some(amount("MemFree")? + amount("Buffers")? + amount("Cached")?)),
            swap_total: some(amount("SwapTotal")),
            swap_free: amount("SwapFree"),
        }
    }
}
