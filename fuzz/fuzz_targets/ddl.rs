//! Any bytes as an agent's declaration, and words as inputs of what it declares.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_core::ddl::Ddl;

fuzz_target!(|bytes: &[u8]| {
    let Ok(ddl) = Ddl::parse(bytes) else { return };
    for action in ddl.actions.values() {
        for word in ["", "1", "-1.5", "true", "nginx", "a b\n"] {
            let words: Vec<_> =
                action.input.keys().map(|name| (name.clone(), word.to_owned())).collect();
            if let Ok(inputs) = action.inputs_from_words(&words) {
                let again = action.check_inputs(&inputs);
                assert_eq!(again.as_ref(), Ok(&inputs), "what was accepted is accepted");
            }
        }
    }
});
