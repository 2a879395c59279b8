//! Every accepted change runs at most once, over crashes, restarts and copies.

use std::collections::BTreeMap;

use crate::truth::Truth;

pub(super) fn check(truth: &Truth) -> Vec<String> {
    let mut starts: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for run in truth.runs.iter().filter(|run| run.change) {
        starts.entry((run.host, run.birth, run.key)).or_default().push(run.at);
    }
    let twice = starts.into_iter().filter(|(_, at)| at.len() > 1);
    twice
        .map(|((host, _, (order, _)), at)| {
            format!("{} began {order} {} times, at {at:?} ms", truth.hosts[host].identity, at.len())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::bench::{ORDER, truth};

    #[test]
    fn two_starts_are_one_too_many() {
        let mut truth = truth();
        assert_eq!(check(&truth), Vec::<String>::new());
        truth.begin(ORDER);
        assert_eq!(check(&truth), Vec::<String>::new());
        truth.begin(ORDER);
        assert_eq!(check(&truth).len(), 1);
    }
}
