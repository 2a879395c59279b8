//! Amounts as Facter writes them for people.

/// Bytes with a unit: `23.54 GiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut amount = bytes as f64;
    let mut unit = "";
    for next in UNITS {
        amount /= 1024.0;
        unit = next;
        // What would be rounded to 1024 is one of the next.
        if (amount * 100.0).round() < 102_400.0 {
            break;
        }
    }
    format!("{:.2} {unit}", (amount * 100.0).round() / 100.0)
}

/// Bytes in MiB.
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// A share in percent: `5.26%`.
pub(super) fn percent(part: u64, whole: u64) -> String {
    format!("{:.2}%", part as f64 / whole as f64 * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_facter_writes_them() {
        let check = |amount: u64, want: &str| assert_eq!(bytes(amount), want);
        check(0, "0 bytes");
        check(1023, "1023 bytes");
        check(1024, "1.00 KiB");
        check(25_276_510_208, "23.54 GiB");
        check(274_877_906_944, "256.00 GiB");
        check(1024 * 1024 - 1, "1.00 MiB");
        check(u64::MAX, "16.00 EiB");
        assert_eq!(percent(1_330_470_912, 25_276_510_208), "5.26%");
    }
}
