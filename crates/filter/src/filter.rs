//! A whole filter: parsed once, then asked of one host after the other.

use std::fmt::Write as _;

use marcato_core::facts::is_volatile;
use marcato_core::limits::filter::REGEXES_MAX;
use marcato_core::limits::protocol::FILTER_TERMS_MAX;
use marcato_core::{AgentName, Facts, Identity, Terms};

use crate::error::{Fault, FilterError, TermKind};
use crate::expression::{self, Leaf};
use crate::syntax::{FactWords, Operand, Tree};
use crate::term::{FactTerm, NameTerm};

/// What a filter may ask of a host.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    /// The host's name.
    pub identity: &'a Identity,
    /// Its facts.
    pub facts: &'a Facts,
    /// Its classes.
    pub classes: &'a [String],
    /// The agents that it has.
    pub agents: &'a [AgentName],
}

/// What MCollective's own messages go to: no node declares it, and each is taken to have it.
const EVERY_NODES_AGENT: &str = "mcollective";

impl Host<'_> {
    /// Whether it has an agent that is called so.
    pub(crate) fn has_agent(&self, term: &NameTerm) -> bool {
        matches!(term, NameTerm::Name(name) if name == EVERY_NODES_AGENT)
            || self.agents.iter().any(|agent| term.matches(agent.as_str()))
    }
}

/// A filter that was understood. All its fact, class and agent terms and its expressions must match,
/// and one of its identity terms if there are any; without terms it matches every host.
#[derive(Debug, Clone)]
pub struct Filter {
    terms: Terms,
    facts: Vec<FactTerm>,
    classes: Vec<NameTerm>,
    identities: Vec<NameTerm>,
    agents: Vec<NameTerm>,
    expressions: Vec<Tree<Leaf>>,
}

/// What of the limits is used up.
#[derive(Debug, Default)]
struct Budget {
    terms: usize,
    patterns: usize,
}

impl Budget {
    fn take_terms(&mut self, count: usize) -> Result<(), FilterError> {
        self.terms += count;
        if self.terms > FILTER_TERMS_MAX {
            Err(whole(Fault::TooManyTerms(self.terms)))
        } else {
            Ok(())
        }
    }

    /// Counted as they are compiled, so that few more than the limit ever take memory.
    fn take_pattern(&mut self, is_pattern: bool) -> Result<(), FilterError> {
        self.patterns += usize::from(is_pattern);
        if self.patterns > REGEXES_MAX { Err(whole(Fault::TooManyPatterns)) } else { Ok(()) }
    }
}

/// A fault that lies in no single term.
const fn whole(fault: Fault) -> FilterError {
    FilterError { kind: TermKind::Fact, term: String::new(), span: 0..0, fault }
}

impl Filter {
    /// Parses the terms of an order or of a command line.
    ///
    /// # Errors
    /// For the first term that is not understood, or if there are too many terms or regular
    /// expressions.
    pub fn parse(terms: &Terms) -> Result<Self, FilterError> {
        let mut budget = Budget::default();
        budget.take_terms(terms.len())?;
        let read = terms.expressions.iter().map(|term| Ok((term, expression::read(term)?)));
        let read = read.collect::<Result<Vec<_>, _>>()?;
        for (_, tree) in &read {
            // The expression itself is counted already.
            budget.take_terms(tree.leaves().len() - 1)?;
        }
        let mut facts = Vec::with_capacity(terms.facts.len());
        for term in &terms.facts {
            let term = FactTerm::parse(term)?;
            budget.take_pattern(term.is_pattern())?;
            facts.push(term);
        }
        let mut names = |kind, terms: &[String]| {
            let mut parsed = Vec::with_capacity(terms.len());
            for term in terms {
                let term = NameTerm::parse(kind, term)?;
                budget.take_pattern(term.is_pattern())?;
                parsed.push(term);
            }
            Ok(parsed)
        };
        let classes = names(TermKind::Class, &terms.classes)?;
        let identities = names(TermKind::Identity, &terms.identities)?;
        let agents = names(TermKind::Agent, &terms.agents)?;
        let compile = |(term, tree): (&String, _)| {
            expression::compile(term, tree, |is_pattern| budget.take_pattern(is_pattern))
        };
        let expressions = read.into_iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { terms: terms.clone(), facts, classes, identities, agents, expressions })
    }

    /// Refuses comparisons with an empty text that does not stand in quotes: whoever types a command
    /// rather has a shell variable that is not set. An order may carry them.
    ///
    /// # Errors
    /// For the first of them, and for a term that is not understood.
    pub fn has_values(terms: &Terms) -> Result<(), FilterError> {
        let check = |kind, term: &String, words: &FactWords<'_>| {
            let (span, fault) = (words.value.at.clone(), Fault::Unset);
            let is_unset = words.value.text.is_empty() && !words.value.quoted;
            let error = || FilterError { kind, term: term.clone(), span, fault };
            if is_unset { Err(error()) } else { Ok(()) }
        };
        for term in &terms.facts {
            FactTerm::read(term).and_then(|words| check(TermKind::Fact, term, &words))?;
        }
        for term in &terms.expressions {
            for operand in expression::read(term)?.leaves() {
                if let Operand::Fact(words) = operand {
                    check(TermKind::Expression, term, words)?;
                }
            }
        }
        Ok(())
    }

    /// Whether no term is a regular expression, which costs as much as its writer likes.
    #[must_use]
    pub fn is_plain(terms: &Terms) -> bool {
        let names = [&terms.classes, &terms.identities, &terms.agents];
        let plain = |term: &String| {
            // What cannot be read is compiled by nobody.
            expression::read(term)
                .map_or(true, |tree| !tree.leaves().into_iter().any(Operand::is_pattern))
        };
        terms.facts.iter().all(|term| FactTerm::is_plain(term))
            && names.into_iter().flatten().all(|term| NameTerm::is_plain(term))
            && terms.expressions.iter().all(plain)
    }

    /// Whether the filter means this host.
    #[must_use]
    pub fn matches(&self, host: &Host<'_>) -> bool {
        let class = |term: &NameTerm| host.classes.iter().any(|class| term.matches(class));
        self.matches_identity(host.identity)
            && self.facts.iter().all(|term| term.matches(host.facts))
            && self.classes.iter().all(class)
            && self.agents.iter().all(|term| host.has_agent(term))
            && self.expressions.iter().all(|tree| tree.holds(&mut |leaf| leaf.holds(host)))
    }

    /// Whether the identity terms alone would mean a host of this name.
    #[must_use]
    pub fn matches_identity(&self, identity: &Identity) -> bool {
        let matches = |term: &NameTerm| term.matches(identity.as_str());
        self.identities.is_empty() || self.identities.iter().any(matches)
    }

    /// The terms as typed.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(crate) fn facts(&self) -> &[FactTerm] {
        &self.facts
    }

    pub(crate) fn classes(&self) -> &[NameTerm] {
        &self.classes
    }

    pub(crate) fn agents(&self) -> &[NameTerm] {
        &self.agents
    }

    pub(crate) fn expressions(&self) -> &[Tree<Leaf>] {
        &self.expressions
    }

    /// The names of the facts that are asked for, for messages about those that no host has.
    pub fn fact_names(&self) -> impl Iterator<Item = &str> {
        let inner = self.expressions.iter().flat_map(Tree::leaves).filter_map(|leaf| match leaf {
            Leaf::Fact(term) => Some(term),
            Leaf::Class(_) => None,
        });
        self.facts.iter().chain(inner).map(|term| term.fact.as_str())
    }

    /// The terms without those that ask for a volatile fact; `None` where there are none of these. A
    /// registry knows no such fact, so that it can only say by the others who may be meant.
    #[must_use]
    pub fn registered(&self) -> Option<Terms> {
        let asks = |term: &FactTerm| is_volatile(&term.fact);
        let facts = self.terms.facts.iter().zip(&self.facts);
        let facts = facts.filter(|(_, term)| !asks(term)).map(|(text, _)| text.clone());
        let expressions = self.terms.expressions.iter().zip(&self.expressions);
        let expressions = expressions.filter(|(_, tree)| {
            !tree.leaves().into_iter().any(|leaf| matches!(leaf, Leaf::Fact(term) if asks(term)))
        });
        let expressions = expressions.map(|(text, _)| text.clone()).collect();
        let rest = Terms { facts: facts.collect(), expressions, ..self.terms.clone() };
        (rest.len() < self.terms.len()).then_some(rest)
    }

    /// The identities that are given in full, for messages about those that nobody is called.
    pub fn named_identities(&self) -> impl Iterator<Item = &str> {
        self.identities.iter().filter_map(|term| match term {
            NameTerm::Name(name) => Some(name.as_str()),
            NameTerm::Pattern(_) => None,
        })
    }

    /// The filter in one line for a message: `hagroup=c, class common, web1 or web2`. Control
    /// characters are escaped; without terms it is `every node`.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut parts = self.terms.facts.clone();
        parts.extend(self.terms.classes.iter().map(|term| format!("class {term}")));
        parts.extend(self.terms.agents.iter().map(|term| format!("agent {term}")));
        parts.extend(self.terms.expressions.iter().map(|term| format!("({term})")));
        if !self.terms.identities.is_empty() {
            parts.push(self.terms.identities.join(" or "));
        }
        if parts.is_empty() {
            return "every node".to_owned();
        }
        let mut line = String::new();
        for c in parts.join(", ").chars() {
            if c.is_control() {
                // Writing to a text cannot fail.
                let _ = write!(line, "{}", c.escape_default());
            } else {
                line.push(c);
            }
        }
        line
    }
}
