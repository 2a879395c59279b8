//! How the times of many answers are spread: the numbers, and a line of bars.

use marcato_core::limits::client::SPARK_COLUMNS_MAX;

/// The bars, from the lowest to the highest; none is a blank.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The spread of times in milliseconds, in lines.
#[must_use]
pub fn lines(times: &[u64]) -> Vec<String> {
    let (Some(least), Some(most)) = (times.iter().min(), times.iter().max()) else {
        return Vec::new();
    };
    let count = times.len();
    let mean = times.iter().sum::<u64>() / count as u64;
    let replies = if count == 1 { "reply" } else { "replies" };
    let step = step(*most);
    vec![
        format!("{count} {replies}, min {least} ms, mean {mean} ms, max {most} ms"),
        format!("|{}| 0 to {most} ms, {step} ms a column", bars(times, step)),
    ]
}

/// How many milliseconds a column stands for: the smallest of 1, 2, 5, 10 … that leaves room.
fn step(most: u64) -> u64 {
    let steps = (0..u64::BITS).flat_map(|power| [1, 2, 5].map(|n| (n, power)));
    let mut steps = steps.map_while(|(n, power)| 10_u64.checked_pow(power)?.checked_mul(n));
    steps.find(|step| most / step < SPARK_COLUMNS_MAX as u64).unwrap_or(u64::MAX)
}

fn bars(times: &[u64], step: u64) -> String {
    let mut counts: Vec<usize> = Vec::new();
    for time in times {
        let column = usize::try_from(time / step).unwrap_or(usize::MAX).min(SPARK_COLUMNS_MAX - 1);
        counts.resize(counts.len().max(column + 1), 0);
        counts[column] += 1;
    }
    let highest = counts.iter().max().copied().unwrap_or(1);
    // Rounded up: what is there is seen.
    let bar = |count: usize| match (count * BARS.len()).div_ceil(highest) {
        0 => ' ',
        height => BARS[height - 1],
    };
    counts.into_iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads() {
        let check = |times: &[u64], want: &[&str]| assert_eq!(lines(times), want);
        check(&[], &[]);
        check(&[0], &["1 reply, min 0 ms, mean 0 ms, max 0 ms", "|█| 0 to 0 ms, 1 ms a column"]);
        check(
            &[1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 4],
            &["13 replies, min 1 ms, mean 1 ms, max 4 ms", "| █ ▄▁| 0 to 4 ms, 1 ms a column"],
        );
        check(
            &[10, 4000],
            &[
                "2 replies, min 10 ms, mean 2005 ms, max 4000 ms",
                "|█                   █| 0 to 4000 ms, 200 ms a column",
            ],
        );
    }

    #[test]
    fn any_times_fit() {
        for most in [0, 39, 40, 99, 12_345, u64::MAX / 2] {
            assert!(bars(&[0, most], step(most)).chars().count() <= SPARK_COLUMNS_MAX, "{most}");
        }
    }
}
