//! Any text as a policy file: nothing panics, errors are bounded and stay on their line, and what
//! is accepted decides.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_core::ddl::Effect;
use marcato_core::limits::policy::ERRORS_MAX;
use marcato_node::core::policy::Policy;

fuzz_target!(|text: &str| match Policy::parse(&[("fuzz.policy".to_owned(), text.to_owned())]) {
    Err(errors) => {
        assert!((1..=ERRORS_MAX).contains(&errors.len()));
        assert!(errors.iter().all(|error| !error.to_string().contains('\n')));
    }
    Ok(policy) => {
        let (Ok(caller), Ok(agent), Ok(action)) =
            ("alice".parse(), "service".parse(), "restart".parse())
        else {
            return;
        };
        let decision = policy.decide(&caller, &agent, &action, Effect::Change);
        assert!(!decision.is_allowed() || text.contains("allow"));
    }
});
