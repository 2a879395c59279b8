//! Which packages a change takes along, and whether it may go on: decided from what is installed,
//! what is offered and what a rehearsal shows.

use std::collections::BTreeMap;

use marcato_core::Reason;
use marcato_core::nearest;
use serde_json::{Map, Value, json};

use super::dpkg::Index;
use super::packages::{Found, Offer, Rehearsal, Target, Trouble, Verb, Work};
use super::version::compare;

/// So many of the packages that would be removed are named.
const REMOVALS_SHOWN: usize = 10;

/// What asks for a source package instead of a binary one.
const SOURCE: &str = "src:";

/// What dpkg knows of what was asked for: `NAME`, `NAME:ARCH` or `src:NAME`.
pub(super) fn known(index: &Index, asked: &str) -> Vec<Found> {
    match asked.strip_prefix(SOURCE) {
        Some(source) => index.all().filter(|found| found.source == source).collect(),
        None => index.find(asked),
    }
}

/// What is installed of what was asked for.
pub(super) fn named(index: &Index, asked: &str) -> Vec<Found> {
    known(index, asked).into_iter().filter(|found| found.state.is_there()).collect()
}

/// The installed package that is most likely meant where none is called so.
pub(crate) fn nearest(index: &Index, asked: &str) -> Option<String> {
    let there = index.all().filter(|found| found.state.is_there());
    if let Some(source) = asked.strip_prefix(SOURCE) {
        let sources: Vec<String> = there.map(|found| found.source).collect();
        let nearest = nearest::nearest(source, sources.iter().map(String::as_str))?;
        return Some(format!("{SOURCE}{nearest}"));
    }
    let name = asked.split_once(':').map_or(asked, |(name, _)| name);
    let names: Vec<String> = there.map(|found| found.name).collect();
    nearest::nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
}

/// Those of the same sources that are installed beside them. A library is of one source with the
/// program that is named after it, and what mends the one mends the other.
pub(super) fn siblings(index: &Index, named: &[Found]) -> Vec<Found> {
    let mut all = Vec::new();
    for found in named {
        all.extend(index.of_source(&found.source));
    }
    all.retain(|sibling| !named.iter().any(|found| is_same(found, sibling)));
    all.dedup_by(|a, b| is_same(a, b));
    all
}

fn is_same(a: &Found, b: &Found) -> bool {
    (&a.name, &a.arch) == (&b.name, &b.arch)
}

/// A package as apt names it: with its architecture where that is a foreign one.
pub(super) fn word(found: &Found, index: &Index) -> String {
    match index.arch() {
        Some(own) if own != found.arch && found.arch != "all" => {
            format!("{}:{}", found.name, found.arch)
        }
        _ => found.name.clone(),
    }
}

/// The offer for a package that is installed.
fn offer_for<'a>(found: &Found, offers: &'a [Offer]) -> impl Iterator<Item = &'a Offer> {
    let (name, arch) = (found.name.clone(), found.arch.clone());
    offers.iter().filter(move |offer| {
        // A package may become independent of the architecture, or cease to be.
        let fits = offer.arch == arch || offer.arch == "all" || arch == "all";
        offer.name == name && fits
    })
}

/// What an update is to do: the packages that were named, and their siblings as far as the same
/// version of the same source is offered for them; each only where that is newer.
pub(super) fn update(index: &Index, named: &[Found], siblings: &[Found], offers: &[Offer]) -> Work {
    let newest = |found: &Found| {
        offer_for(found, offers).max_by(|a, b| compare(&a.version, &b.version)).cloned()
    };
    let leading: Vec<Offer> = named.iter().filter_map(newest).collect();
    let along = siblings.iter().filter_map(|found| Some((found, newest(found)?)));
    let along = along.filter(|(_, offer)| leading.iter().any(|other| is_of_one(offer, other)));
    let all = named.iter().filter_map(|found| Some((found, newest(found)?))).chain(along);
    let newer = all.filter(|(found, offer)| compare(&offer.version, &found.version).is_gt());
    let targets = newer.map(|(found, offer)| target(word(found, index), &offer));
    Work { verb: Verb::Update, targets: targets.collect() }
}

/// What an installation is to do: the package, and what is installed of the same source, so that
/// both are of one version.
pub(super) fn install(
    index: &Index,
    asked: &str,
    version: Option<&str>,
    siblings: &[Found],
    offers: &[Offer],
) -> Result<Work, Trouble> {
    let name = asked.split(':').next().unwrap_or(asked);
    let installed = named(index, asked);
    let fits = |offer: &&Offer| {
        let wanted = version.is_none_or(|version| version == offer.version);
        // What is only known because it was here once cannot be had again.
        offer.name == name && wanted && (!offer.local || !installed.is_empty())
    };
    let Some(leading) = offers.iter().find(fits) else {
        let what = version.map(|version| format!(" {version}")).unwrap_or_default();
        let message = format!("no source offers {asked}{what}; nothing was changed");
        return Err(Trouble::new(Reason::NoCandidate, message));
    };
    let first = match index.arch() {
        Some(own) if own == leading.arch || leading.arch == "all" => name.to_owned(),
        Some(_) => format!("{name}:{}", leading.arch),
        None => asked.to_owned(),
    };
    let mut targets = vec![target(first, leading)];
    for sibling in siblings {
        let mut offered = offer_for(sibling, offers);
        let along = offered.find(|offer| is_of_one(offer, leading));
        if let Some(along) = along.filter(|along| along.version != sibling.version) {
            targets.push(target(word(sibling, index), along));
        }
    }
    Ok(Work { verb: Verb::Install, targets })
}

/// Whether two were built from the same version of the same source.
fn is_of_one(a: &Offer, b: &Offer) -> bool {
    (&a.source, &a.source_version) == (&b.source, &b.source_version)
}

fn target(name: String, offer: &Offer) -> Target {
    Target { name, version: Some(offer.version.clone()) }
}

/// Whether a rehearsed work may be carried out.
pub(super) fn allow(work: &Work, rehearsal: &Rehearsal, index: &Index) -> Result<(), Trouble> {
    let touched = rehearsal.installs.iter().map(|step| &step.name).chain(&rehearsal.removes);
    let held: Vec<String> = touched.filter_map(|name| kept_back(index, name)).collect();
    if !held.is_empty() {
        let message = format!("{}; nothing was changed", held.join(", "));
        return Err(Trouble::new(Reason::Held, message));
    }
    let meant = |name: &&String| {
        let removal = matches!(work.verb, Verb::Remove | Verb::Purge);
        removal && work.targets.iter().any(|target| target.name == **name)
    };
    let removes: Vec<&str> =
        rehearsal.removes.iter().filter(|name| !meant(name)).map(String::as_str).collect();
    if removes.is_empty() {
        return Ok(());
    }
    let shown = removes.iter().take(REMOVALS_SHOWN).copied().collect::<Vec<_>>().join(", ");
    let more = match removes.len().saturating_sub(REMOVALS_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("it would remove {shown}{more}; nothing was changed");
    Err(Trouble::new(Reason::WouldRemove, message))
}

/// Says that a package is held, if it is.
pub(super) fn kept_back(index: &Index, name: &str) -> Option<String> {
    let found = named(index, name).into_iter().find(|found| found.held)?;
    Some(format!("{name} is kept at {} by apt-mark hold", found.version))
}

/// Says which package is not as the work was to make it, if one is not: settings of the host may
/// let a run end well that has not done everything.
pub(super) fn missed(work: &Work, after: &Index) -> Option<String> {
    let missed = |target: &Target| {
        let there = named(after, &target.name);
        // The same of another architecture may be there beside it.
        let there = version_of(there.iter().find(|found| word(found, after) == target.name));
        let wanted = target.version.as_deref().unwrap_or_default();
        let is = if there.is_empty() { "not installed".to_owned() } else { format!("at {there}") };
        (there != wanted).then(|| format!("{} is {is} all the same", target.name))
    };
    work.targets.iter().find_map(missed)
}

/// What a change has changed: every package whose version or state is another one, with the version
/// before and after, nothing where it is not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) changed: bool,
    pub(super) versions: BTreeMap<String, (String, String)>,
    /// What has changed and is there now.
    pub(super) there: Vec<Found>,
}

impl Difference {
    pub(super) fn between(before: &Index, after: &Index) -> Self {
        let listed = |index: &Index| -> BTreeMap<String, Found> {
            index.all().map(|found| (word(&found, index), found)).collect()
        };
        let (before, after) = (listed(before), listed(after));
        let mut difference = Self::default();
        for name in before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))) {
            let (from, to) = (before.get(name), after.get(name));
            let state = |found: Option<&Found>| {
                found.map_or(super::packages::State::NotInstalled, |found| found.state)
            };
            let versions = (version_of(from), version_of(to));
            let other_version = versions.0 != versions.1;
            if other_version {
                difference.versions.insert(name.clone(), versions);
            }
            if other_version || state(from) != state(to) {
                difference.changed = true;
                difference.there.extend(to.filter(|found| found.state.is_there()).cloned());
            }
        }
        difference
    }

    /// The versions as JSON, without those that were named.
    pub(super) fn also(&self, named: &[String]) -> Map<String, Value> {
        let others = self.versions.iter().filter(|(name, _)| !named.contains(name));
        let shown = others.map(|(name, (before, after))| {
            (name.clone(), json!({ "before": before, "after": after }))
        });
        shown.collect()
    }
}

fn version_of(found: Option<&Found>) -> String {
    found
        .filter(|found| found.state.is_there())
        .map(|found| found.version.clone())
        .unwrap_or_default()
}

/// The version of what was asked for; that of the first where it is a source.
pub(super) fn version(index: &Index, asked: &str) -> String {
    version_of(named(index, asked).first())
}

#[cfg(test)]
mod tests;
