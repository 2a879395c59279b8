//! Which nodes a command means: what its filter matches, of that the names of a list, of that some.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use marcato_client::core::{Limit, Pick, Selection};
use marcato_core::limits::client::LIST_BYTES_MAX;
use marcato_core::limits::filter::UNFOLDED_NAMES_MAX;
use marcato_core::limits::protocol::FILTER_TERMS_MAX;
use marcato_core::{Collective, Exit, Identity, Terms};
use marcato_filter::{Filter, is_folded, unfold};

use super::cli::{FilterArgs, NodesArgs};
use super::confirm;
use crate::words::Failure;
use crate::words::failure::marked;
use crate::words::group::escape;

/// Which nodes a command means.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// The filter's terms; those that an order carries.
    pub terms: Terms,
    /// The names that alone are meant.
    pub(super) list: Option<BTreeSet<Identity>>,
    /// What the list is called, if its names are nodes that shall be there: `--nodes`.
    pub(super) listed_in: Option<String>,
    /// Whether two lists have no name in common.
    pub(super) is_apart: bool,
    /// How many.
    pub pick: Option<Pick>,
}

impl Which {
    /// What the flags mean.
    ///
    /// # Errors
    /// With exit 64 and its place, where a term, a name or the list is wrong.
    pub fn of(filter: &FilterArgs, nodes: &NodesArgs) -> Result<Self, Failure> {
        let mut which = Self::filtered(filter)?;
        filter.have_values()?;
        let limit = if nodes.one { Some(Limit::Nodes(1)) } else { nodes.limit };
        which.pick = limit.map(|limit| Pick { limit, seed: nodes.limit_seed });
        if let Some(path) = &nodes.nodes {
            let (name, text) = read(path)?;
            let names = names(&name, &text)?;
            which.list(names, name);
        }
        Ok(which)
    }

    /// These names alone, which stand in what is called so.
    #[must_use]
    pub fn exactly(names: BTreeSet<Identity>, listed_in: String) -> Self {
        let mut which = Self::default();
        which.list(names, listed_in);
        which
    }

    fn list(&mut self, names: BTreeSet<Identity>, listed_in: String) {
        self.listed_in = Some(listed_in);
        // Where there is room, the hub and the nodes are told the names as well.
        if self.terms.identities.is_empty() && self.room() >= names.len() {
            self.terms.identities = names.iter().map(ToString::to_string).collect();
        }
        self.narrow(names);
    }

    /// What the filter's flags alone mean.
    ///
    /// # Errors
    /// As [`Which::of`].
    pub fn filtered(filter: &FilterArgs) -> Result<Self, Failure> {
        let mut terms = filter.terms()?;
        terms.identities = unfolded(&terms.identities)?;
        let mut which = Self { terms, ..Self::default() };
        // More names than a filter takes are a list of names.
        let room = which.room();
        if which.terms.identities.len() > room {
            let names = std::mem::take(&mut which.terms.identities).into_iter().map(|term| {
                term.parse::<Identity>().map_err(|_| {
                    let text = format!(
                        "-I '{}': beside more than {room} names only names in full are taken",
                        escape(&term)
                    );
                    Failure::new(Exit::Usage, text).hint("fewer names, or all of them in full")
                })
            });
            which.narrow(names.collect::<Result<_, _>>()?);
        }
        Filter::parse(&which.terms)?;
        Ok(which)
    }

    /// How many identities the filter has room for, beside the order's own agent.
    fn room(&self) -> usize {
        let others = self.terms.len() - self.terms.identities.len();
        (FILTER_TERMS_MAX - 1).saturating_sub(others)
    }

    fn narrow(&mut self, names: BTreeSet<Identity>) {
        let list = match self.list.take() {
            Some(list) => {
                self.is_apart = !names.is_empty() && list.is_disjoint(&names);
                list.intersection(&names).cloned().collect()
            }
            None => names,
        };
        self.list = Some(list);
    }

    /// Whether every node of the fleet is meant.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty() && self.list.is_none() && self.pick.is_none()
    }

    /// Whether every node turned out to be meant: a limit that leaves nobody out is none.
    #[must_use]
    pub fn comes_to_everything(&self, selection: &Selection) -> bool {
        let leaves_out = selection.limited_from.is_some_and(|all| selection.chosen.len() < all);
        self.terms.is_empty() && self.list.is_none() && !leaves_out
    }

    /// Whether the nodes are chosen by more than the filter, so that an order must name its set.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.list.is_some() || self.pick.is_some()
    }

    /// Why no node can be meant, if the list is empty.
    #[must_use]
    pub fn is_nothing(&self) -> Option<String> {
        let is_empty = self.list.as_ref().is_some_and(BTreeSet::is_empty);
        let list = escape(self.listed_in.as_deref().unwrap_or("the list"));
        let why = if self.is_apart { "names none of the nodes of -I" } else { "names no node" };
        is_empty.then(|| format!("{list} {why}. Nothing was sent."))
    }

    /// Whether the list, if there is one, has this name.
    #[must_use]
    pub fn lists(&self, name: &Identity) -> bool {
        self.list.as_ref().is_none_or(|list| list.contains(name))
    }

    /// Whether this is a name of `--nodes`, which is told of its own if nobody is called so.
    #[must_use]
    pub fn expects(&self, name: &str) -> bool {
        let list = self.list.as_ref().filter(|_| self.listed_in.is_some());
        list.is_some_and(|list| name.parse().is_ok_and(|name: Identity| list.contains(&name)))
    }

    /// The names of the list that the answer does not have.
    pub fn missing<'a>(&self, found: impl Iterator<Item = &'a Identity>) -> BTreeSet<Identity> {
        let Some(list) = &self.list else { return BTreeSet::new() };
        let found: BTreeSet<&Identity> = found.collect();
        list.iter().filter(|name| !found.contains(name)).cloned().collect()
    }

    /// Whether names of the list can be missing for another reason than that no node has them.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        let identities = &self.terms.identities;
        // Those of the list itself take nothing away from it.
        let are_listed = self.list.as_ref().is_some_and(|list| {
            list.len() == identities.len()
                && identities
                    .iter()
                    .map(|name| name.parse())
                    .all(|name| name.is_ok_and(|name| list.contains(&name)))
        });
        self.terms.len() > identities.len() || !(identities.is_empty() || are_listed)
    }

    /// Leaves the nodes of the list, and tells which of its names stand nowhere in the selection.
    pub fn only_listed(&self, selection: &mut Selection) -> BTreeSet<Identity> {
        let Some(list) = &self.list else { return BTreeSet::new() };
        selection.only(list);
        selection.lacks(list)
    }

    /// Which nodes, as it was typed; nothing for every node.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut parts = Vec::new();
        let told = self.terms.identities.is_empty();
        match (&self.list, &self.listed_in) {
            (Some(list), Some(name)) if told => {
                parts.push(format!("the {} names of {}", list.len(), escape(name)));
            }
            (Some(list), None) => parts.push(format!("{} names", list.len())),
            _ => {}
        }
        let terms = confirm::in_words(&self.terms);
        if !terms.is_empty() {
            parts.push(terms);
        }
        if let Some(Pick { limit, seed }) = self.pick {
            let seed = seed.map(|seed| format!(" drawn with seed {seed}")).unwrap_or_default();
            parts.push(format!("limit {limit}{seed}"));
        }
        parts.join(", ")
    }
}

/// Refuses a collective that is not the fleet's.
///
/// # Errors
/// With exit 64.
pub fn check_target(filter: &FilterArgs, fleet: &Collective) -> Result<(), Failure> {
    match &filter.target {
        Some(target) if target != fleet => {
            let text = format!("-T {target}: the fleet is {fleet}, and has no collective {target}");
            Err(Failure::new(Exit::Usage, text).hint("name another fleet: --fleet NAME"))
        }
        _ => Ok(()),
    }
}

/// The names of `-I`, those with brackets unfolded.
fn unfolded(terms: &[String]) -> Result<Vec<String>, Failure> {
    let mut names = Vec::with_capacity(terms.len());
    for term in terms {
        if term.starts_with('/') || !is_folded(term) {
            names.push(term.clone());
            continue;
        }
        let most = UNFOLDED_NAMES_MAX.saturating_sub(names.len());
        let unfolded = unfold(term, most).map_err(|error| {
            Failure::new(
                Exit::Usage,
                marked(&format!("-I '{}': {error}", escape(term)), term, error.span),
            )
        })?;
        names.extend(unfolded);
    }
    Ok(names)
}

/// The text of a list, and what to call it.
fn read(path: &Path) -> Result<(String, String), Failure> {
    let is_stdin = path.as_os_str() == "-";
    let name = if is_stdin { "standard input".into() } else { path.display().to_string() };
    let wrong = |why: &dyn std::fmt::Display| Failure::new(Exit::Usage, format!("{name}: {why}"));
    let mut bytes = Vec::new();
    let most = LIST_BYTES_MAX + 1;
    let count = if is_stdin {
        io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    if count.map_err(|error| wrong(&error))? as u64 == most {
        return Err(wrong(&format!("longer than {LIST_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong(&"not a text in UTF-8"))?;
    Ok((name, text))
}

/// The names of a list: divided by white space, folded or not, `#` before remarks.
fn names(whence: &str, text: &str) -> Result<BTreeSet<Identity>, Failure> {
    let mut names = BTreeSet::new();
    let mut left = UNFOLDED_NAMES_MAX;
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        for word in line.split_whitespace() {
            let place = format!("{whence}:{}", number + 1);
            let unfolded = unfold(word, left).map_err(|error| {
                let text = format!("{place}: '{}' {error}", escape(word));
                Failure::new(Exit::Usage, marked(&text, word, error.span))
            })?;
            left -= unfolded.len();
            for name in unfolded {
                let name = name.parse().map_err(|error| {
                    Failure::new(Exit::Usage, format!("{place}: {}", escape(&format!("{error}"))))
                })?;
                names.insert(name);
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_list() {
        let check = |text: &str, want: &str| {
            let got = match names("list", text) {
                Ok(names) => names.iter().map(Identity::as_str).collect::<Vec<_>>().join(" "),
                Err(failure) => failure.text,
            };
            assert_eq!(got, want, "{text:?}");
        };
        check("", "");
        check("# none\n\n", "");
        check("web2\nweb1 # the old one\r\n web1\n", "web1 web2");
        check("db1 web[08-10].x", "db1 web08.x web09.x web10.x");
        check(
            "a\nweb[1-",
            "list:2: 'web[1-' opens a bracket that nothing closes\n  web[1-\n     ^",
        );
        check(
            "Web1",
            "list:1: identity \"Web1\" is not valid: 1 to 253 of a-z 0-9 . _ - (lower case)",
        );
        check("w[1-100000] x", "list:1: 'x' is more than 100000 names\n  x\n  ^");
    }

    fn args(identities: &[&str], facts: &[&str]) -> FilterArgs {
        let own = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        FilterArgs { identities: own(identities), facts: own(facts), ..FilterArgs::default() }
    }

    #[test]
    fn a_limit_that_leaves_nobody_out_is_none() {
        let limit = Some(Pick { limit: "100%".parse().unwrap(), seed: None });
        let of = |limited_from| Selection { limited_from, ..Selection::default() };
        let all = Which { pick: limit, ..Which::default() };
        assert!(!all.is_everything() && all.comes_to_everything(&of(Some(0))));
        assert!(!all.comes_to_everything(&of(Some(1))));
        assert!(Which::default().comes_to_everything(&of(None)));
        let some = Which { pick: limit, ..Which::filtered(&args(&[], &["a=b"])).unwrap() };
        assert!(!some.comes_to_everything(&of(Some(0))));
    }

    #[test]
    fn few_names_are_terms_and_many_a_list() {
        let few = Which::filtered(&args(&["web[01-03].x", "/^db/"], &[])).unwrap();
        assert_eq!(few.terms.identities, ["web01.x", "web02.x", "web03.x", "/^db/"]);
        assert!(!few.is_set() && few.in_words() == "/^db/ web[01-03].x");
        let many = Which::filtered(&args(&["web[1-300]"], &["a=b"])).unwrap();
        assert!(many.is_set() && many.terms.identities.is_empty());
        assert!(many.lists(&"web300".parse().unwrap()) && !many.lists(&"web301".parse().unwrap()));
        assert_eq!(many.in_words(), "300 names, a=b");
        let mixed = Which::filtered(&args(&["web[1-300]", "/x/"], &[])).unwrap_err();
        let want = "-I '/x/': beside more than 255 names only names in full are taken";
        assert_eq!(mixed.text, want);
        let list = |which: &mut Which, names: &[&str]| {
            which.list(names.iter().map(|name| name.parse().unwrap()).collect(), "list".into());
            which.is_filtered()
        };
        assert!(!list(&mut Which::default(), &["web1", "web2"]), "the names are its own");
        assert!(list(&mut Which::filtered(&args(&["web1"], &[])).unwrap(), &["web1", "web2"]));
        assert!(list(&mut Which::filtered(&args(&[], &["a=b"])).unwrap(), &["web1"]));
        let mut apart = Which::filtered(&args(&["web[1-300]"], &[])).unwrap();
        assert!(list(&mut apart, &["db1"]));
        let why = apart.is_nothing();
        assert_eq!(why.unwrap(), "list names none of the nodes of -I. Nothing was sent.");
        let broken = Which::filtered(&args(&["web[1"], &[])).unwrap_err();
        assert_eq!(broken.text, "-I 'web[1': opens a bracket that nothing closes\n  web[1\n     ^");
    }
}
