//! Whatever may be asked for is read back as it was asked for.

use proptest::prelude::*;

use super::arbitrary::{specs, worlds};
use super::*;

/// What a specification says in lists, by whom.
fn said(spec: &Spec) -> String {
    fn each<T: std::fmt::Debug>(items: &[Filtered<T>]) -> String {
        let items = items.iter().map(|item| (&item.value, &item.filters));
        format!("{:?}\n", items.collect::<Vec<_>>())
    }
    each(&spec.env)
        + &each(&spec.labels)
        + &each(&spec.volumes)
        + &each(&spec.args)
        + &each(&spec.node_labels)
        + &each(&spec.ports)
        + &format!("{:?} {:?}", spec.servers_memory, spec.agents_memory)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_cluster_that_was_just_made_needs_nothing(spec in specs(), world in worlds()) {
        let there = world.apply(&spec, None).unwrap();
        let second = plan(&spec, Some(&there)).unwrap();
        prop_assert!(second.is_empty(), "{:?}", second);
        prop_assert_eq!(there.changed_blocks(&spec), Vec::<&str>::new());
    }

    #[test]
    fn what_is_read_back_says_the_same(spec in specs(), world in worlds()) {
        let there = world.apply(&spec, None).unwrap();
        let read = spec_of(&there).unwrap();
        prop_assert!(plan(&read, Some(&there)).unwrap().is_empty());
        prop_assert_eq!(there.changed_blocks(&read), Vec::<&str>::new());
        let spelled = spelled(&spec, Some(&there)).unwrap();
        prop_assert_eq!(said(&spelled), said(&read));
        prop_assert_eq!(spelled.kube_api, read.kube_api.clone());
        // Another cluster made of it is the same again.
        let twin = world.apply(&read, None).unwrap();
        prop_assert_eq!(said(&spec_of(&twin).unwrap()), said(&read));
    }

    #[test]
    fn another_number_of_agents_keeps_the_server(spec in specs(), world in worlds(), agents in 1u32..5) {
        let there = world.apply(&spec, None).unwrap();
        let wanted = Spec { agents: spec.agents.max(agents), ..spec };
        let after = world.apply(&wanted, Some(&there)).unwrap();
        prop_assert_eq!(after.server(), there.server());
        let second = plan(&wanted, Some(&after)).unwrap();
        prop_assert!(second.is_empty(), "{:?}", second);
    }
}
