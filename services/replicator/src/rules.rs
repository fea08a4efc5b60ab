//! What a bucket's replication configuration asks for, as far as it is honoured: prefixes, priorities, the
//! destination's bucket, and whether delete markers are carried.

use aws_sdk_s3::types::{
    DeleteMarkerReplicationStatus, ReplicationConfiguration, ReplicationRule, ReplicationRuleStatus,
};

/// The enabled rules of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules(Vec<Rule>);

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Keys that begin so.
    pub prefix: String,
    /// Of two rules that fit a key, the higher one is meant.
    pub priority: i32,
    /// The destination's bucket.
    pub destination: String,
    /// Whether deletions are carried.
    pub delete_markers: bool,
}

impl Rules {
    /// The rules of a configuration, and what of it is not honoured.
    pub(crate) fn read(configuration: &ReplicationConfiguration) -> (Self, Vec<String>) {
        let mut ignored = Vec::new();
        let mut rules = Vec::new();
        for rule in configuration.rules() {
            if *rule.status() != ReplicationRuleStatus::Enabled {
                continue;
            }
            match Rule::read(rule) {
                Ok(rule) => rules.push(rule),
                Err(why) => {
                    ignored.push(format!("rule {:?}: {why}", rule.id().unwrap_or_default()));
                }
            }
        }
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
        (Self(rules), ignored)
    }

    /// The rule for a key.
    pub(crate) fn for_key(&self, key: &str) -> Option<&Rule> {
        self.0.iter().find(|rule| key.starts_with(&rule.prefix))
    }

    /// The buckets that keys go to, each once.
    pub(crate) fn destinations(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .0
            .iter()
            .map(|rule| rule.destination.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Rule {
    fn read(rule: &ReplicationRule) -> Result<Self, String> {
        let filter = rule.filter();
        if filter.is_some_and(|filter| {
            filter.tag().is_some() || filter.and().is_some_and(|and| !and.tags().is_empty())
        }) {
            return Err("filters by tag are not honoured; filter by prefix".to_owned());
        }
        let nested = filter.and_then(|filter| filter.prefix().or_else(|| filter.and()?.prefix()));
        #[allow(
            deprecated,
            reason = "rules of the first version have their prefix there"
        )]
        let prefix = nested.or_else(|| rule.prefix());
        let arn = rule
            .destination()
            .map_or("", |destination| destination.bucket());
        let destination = arn
            .strip_prefix("arn:aws:s3:::")
            .filter(|name| !name.is_empty())
            .ok_or_else(|| {
                format!("the destination {arn:?} is no bucket's ARN (arn:aws:s3:::NAME)")
            })?;
        let markers = rule
            .delete_marker_replication()
            .and_then(|markers| markers.status());
        Ok(Self {
            prefix: prefix.unwrap_or_default().to_owned(),
            priority: rule.priority().unwrap_or_default(),
            destination: destination.to_owned(),
            delete_markers: markers == Some(&DeleteMarkerReplicationStatus::Enabled),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::{DeleteMarkerReplication, Destination, ReplicationRuleFilter, Tag};

    fn rule(prefix: &str, priority: i32, arn: &str, markers: bool) -> ReplicationRule {
        let status = if markers {
            DeleteMarkerReplicationStatus::Enabled
        } else {
            DeleteMarkerReplicationStatus::Disabled
        };
        ReplicationRule::builder()
            .id(format!("rule-{priority}"))
            .status(ReplicationRuleStatus::Enabled)
            .priority(priority)
            .filter(ReplicationRuleFilter::builder().prefix(prefix).build())
            .delete_marker_replication(DeleteMarkerReplication::builder().status(status).build())
            .destination(Destination::builder().bucket(arn).build().unwrap())
            .build()
            .unwrap()
    }

    fn rules(rules: Vec<ReplicationRule>) -> (Rules, Vec<String>) {
        let configuration = ReplicationConfiguration::builder()
            .role("arn:aws:iam::000000000000:role/r")
            .set_rules(Some(rules));
        Rules::read(&configuration.build().unwrap())
    }

    #[test]
    fn the_rule_of_higher_priority_is_meant() {
        let (rules, _) = rules(vec![
            rule("", 1, "arn:aws:s3:::all", false),
            rule("logs/", 2, "arn:aws:s3:::logs", true),
        ]);
        assert_eq!(rules.for_key("logs/a").unwrap().destination, "logs");
        assert!(rules.for_key("logs/a").unwrap().delete_markers);
        assert_eq!(rules.for_key("other").unwrap().destination, "all");
        assert_eq!(rules.destinations(), ["all", "logs"]);
    }

    #[test]
    fn keys_outside_of_all_prefixes_stay_at_home() {
        let (rules, _) = rules(vec![rule("logs/", 1, "arn:aws:s3:::logs", true)]);
        assert_eq!(rules.for_key("log"), None);
    }

    #[test]
    fn a_disabled_rule_is_none() {
        let mut off = rule("", 1, "arn:aws:s3:::all", false);
        off.status = ReplicationRuleStatus::Disabled;
        let (rules, ignored) = rules(vec![off]);
        assert_eq!((rules.for_key("a"), ignored.len()), (None, 0));
    }

    #[test]
    fn what_is_not_honoured_is_told() {
        let mut tagged = rule("", 1, "arn:aws:s3:::all", false);
        let tag = Tag::builder().key("a").value("b").build().unwrap();
        tagged.filter = Some(ReplicationRuleFilter::builder().tag(tag).build());
        let (rules, ignored) = rules(vec![tagged, rule("", 2, "arn:aws:sqs:::x", false)]);
        assert_eq!((rules.destinations().len(), ignored.len()), (0, 2));
    }
}
