//! What is asked of packages without changing any.

use marcato_agent::Outcome;
use marcato_core::{Changed, Reason};
use serde_json::{Map, Value, json};

use super::packages::{Found, Packages, State, Trouble};
use super::plan;

/// Says which version is installed, and what is installed of the same source in another one.
pub(super) fn status(packages: &dyn Packages, asked: &str) -> Outcome {
    let index = match packages.installed() {
        Ok(index) => index,
        Err(error) => return Outcome::failed(Reason::Action, Changed::False, error),
    };
    let provider = packages.provider();
    let found = plan::named(&index, asked);
    let Some((first, others)) = found.split_first() else {
        let state = index.find(asked).first().map_or(State::NotInstalled, |first| first.state);
        let mut data = crate::outputs(json!({
            "ensure": "absent", "name": asked, "state": state.word(), "provider": provider,
        }));
        if let Some(nearest) = plan::nearest(&index, asked) {
            data.insert("nearest".into(), nearest.into());
        }
        return Outcome::ok(data).because(Reason::Absent);
    };
    let (same, siblings): (Vec<&Found>, Vec<&Found>) =
        others.iter().partition(|other| other.name == first.name);
    let others: Vec<Value> = same
        .into_iter()
        .map(|other| {
            json!({ "arch": other.arch, "version": other.version, "state": other.state.word() })
        })
        .collect();
    // Of a source all that is installed is told, beside a package what has fallen behind or hurried
    // ahead.
    let siblings: Map<String, Value> = if siblings.is_empty() {
        let all = plan::siblings(&index, &found).into_iter();
        all.filter(|sibling| sibling.source_version != first.source_version)
            .map(|sibling| (plan::word(&sibling, &index), sibling.version.into()))
            .collect()
    } else {
        let all = siblings.into_iter();
        all.map(|sibling| (plan::word(sibling, &index), sibling.version.clone().into())).collect()
    };
    let outcome = Outcome::ok(crate::outputs(json!({
        "ensure": first.version,
        "name": first.name,
        "arch": first.arch,
        "version": first.version,
        "state": first.state.word(),
        "held": first.held,
        "others": others,
        "source": first.source,
        "siblings": siblings,
        "provider": provider,
    })));
    match found.iter().any(|found| found.state.is_half_done()) {
        true => outcome.because(Reason::InterruptedDpkg),
        false => outcome,
    }
}

/// How many packages are installed.
pub(super) fn count(packages: &dyn Packages) -> Outcome {
    match packages.installed() {
        Ok(index) => {
            let count = index.all().filter(|found| found.state.is_there()).count();
            Outcome::ok(crate::outputs(json!({ "count": count })))
        }
        Err(error) => Outcome::failed(Reason::Action, Changed::False, error),
    }
}

/// Finds packages by words in their names and descriptions.
pub(super) async fn search(packages: &dyn Packages, query: &str) -> Outcome {
    told(packages.search(query).await.map(|hits| {
        let shown: Vec<Value> = hits
            .iter()
            .map(|(name, summary)| json!({ "package": name, "description": summary }))
            .collect();
        json!({ "package_count": hits.len(), "available_packages": shown })
    }))
}

/// What could be updated, by the lists as they are.
pub(super) async fn outdated(packages: &dyn Packages) -> Outcome {
    let look = async {
        let steps = packages.outdated().await?;
        let lists = packages.lists().await?;
        let shown: Vec<Value> = steps
            .iter()
            .take(marcato_core::limits::agent::PACKAGES_NAMED_MAX)
            .map(|step| json!({ "package": step.name, "version": step.from, "candidate": step.to }))
            .collect();
        let mut data = json!({ "count": steps.len(), "outdated_packages": shown });
        if let Some(age) = lists.age {
            data["lists_age"] = (age.as_ms() / 1000).into();
        }
        Ok(data)
    };
    told(look.await)
}

fn told(answer: Result<Value, Trouble>) -> Outcome {
    match answer {
        Ok(data) => Outcome::ok(crate::outputs(data)),
        Err(trouble) => Outcome::failed(trouble.reason, Changed::False, trouble.message),
    }
}
