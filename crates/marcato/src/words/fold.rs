//! Names of many hosts in few words: `web[01-17,20].example.com`.

use std::collections::BTreeMap;

/// Numbers of more digits stay as they are.
const DIGITS_MAX: usize = 18;

/// Folds names that differ in one number of their first label; the order is that of the alphabet,
/// and of the numbers.
#[must_use]
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut families: BTreeMap<(&str, &str), Vec<(u64, &str)>> = BTreeMap::new();
    for name in names {
        let (before, digits, after) = split(name);
        families.entry((before, after)).or_default().push((digits.parse().unwrap_or(0), digits));
    }
    families.into_iter().map(|(family, numbers)| write_family(family, numbers)).collect()
}

/// A name as what stands before, in and behind the last number of its first label.
fn split(name: &str) -> (&str, &str, &str) {
    let label = name.split('.').next().unwrap_or(name);
    let end = label.rfind(|c: char| c.is_ascii_digit()).map_or(0, |last| last + 1);
    let head = &label[..end];
    let start = head.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    if end - start > DIGITS_MAX {
        return (name, "", "");
    }
    (&name[..start], &name[start..end], &name[end..])
}

fn write_family((before, after): (&str, &str), mut numbers: Vec<(u64, &str)>) -> String {
    numbers.sort_unstable();
    numbers.dedup();
    let mut ranges: Vec<(&str, &str)> = Vec::new();
    let mut last_number = None;
    for (number, digits) in numbers {
        match (ranges.last_mut(), last_number) {
            (Some((first, last)), Some(previous))
                if number == previous + 1 && follows(first, digits) =>
            {
                *last = digits;
            }
            _ => ranges.push((digits, digits)),
        }
        last_number = Some(number);
    }
    if let [(first, last)] = ranges.as_slice()
        && first == last
    {
        return format!("{before}{first}{after}");
    }
    let write = |(first, last): &(&str, &str)| {
        if first == last { (*first).to_owned() } else { format!("{first}-{last}") }
    };
    let inside: Vec<String> = ranges.iter().map(write).collect();
    format!("{before}[{}]{after}", inside.join(","))
}

/// Whether a range that starts with `first` writes its member as `digits`: with leading zeros up to
/// the width of the first.
fn follows(first: &str, digits: &str) -> bool {
    let width = if first.starts_with('0') { first.len() } else { 1 };
    digits.len() == width || (digits.len() > width && !digits.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &str, want: &str) {
        assert_eq!(fold(names.split(' ')).join(" "), want);
    }

    #[test]
    fn folding() {
        check("web1.example.com", "web1.example.com");
        check("web2.x web1.x web3.x db1.x", "db1.x web[1-3].x");
        check("web01.x web02.x web04.x", "web[01-02,04].x");
        check("web08 web09 web10 web11", "web[08-11]");
        check("web9 web10 web11", "web[9-11]");
        check("web98 web99 web100", "web[98-100]");
        check("web1 web01", "web[01,1]");
        check("a b c", "a b c");
        check("r1-web2.x r1-web3.x", "r1-web[2-3].x");
        check("web1a.x web2a.x", "web[1-2]a.x");
        check("web1 web1 web1", "web1");
        check("x12345678901234567890 x1", "x1 x12345678901234567890");
    }
}
