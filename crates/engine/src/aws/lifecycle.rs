//! What expires in a bucket. A bucket has one lifecycle with rules of whoever sets some; one of them is ours, by its id,
//! and the others are left as they are.

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter, NoncurrentVersionExpiration,
};

use super::s3::{OURS, odd};
use super::{Aws, code_of};
use crate::error::Result;

/// What our rule says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// Days after which objects expire.
    pub expiration_days: Option<i32>,
    /// Days after which versions that are no longer current expire.
    pub noncurrent_days: Option<i32>,
    /// Whether it says more than these, or less than that they hold for the whole bucket.
    pub differs: bool,
}

impl Aws {
    pub(super) async fn lifecycle(&self, name: &str) -> Result<Lifecycle> {
        let rules = self.lifecycle_rules(name).await?;
        let ours = rules.iter().find(|rule| is_ours(rule));
        Ok(ours.map(read).unwrap_or_default())
    }

    /// Sets what expires. Rules of others stay.
    pub async fn set_lifecycle(
        &self,
        name: &str,
        days: Option<i32>,
        noncurrent: Option<i32>,
    ) -> Result<()> {
        let operation = "set the lifecycle of bucket";
        let mut rules = self.lifecycle_rules(name).await?;
        rules.retain(|rule| !is_ours(rule));
        rules.extend(rule(days, noncurrent));
        if rules.is_empty() {
            let removed = self.s3.delete_bucket_lifecycle().bucket(name).send().await;
            return removed
                .map(drop)
                .map_err(|error| self.failed(operation, name, error));
        }
        let lifecycle = BucketLifecycleConfiguration::builder().set_rules(Some(rules));
        let lifecycle = lifecycle.build().map_err(|error| odd(name, &error))?;
        self.s3
            .put_bucket_lifecycle_configuration()
            .bucket(name)
            .lifecycle_configuration(lifecycle)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.failed(operation, name, error))
    }

    async fn lifecycle_rules(&self, name: &str) -> Result<Vec<LifecycleRule>> {
        let told = self.s3.get_bucket_lifecycle_configuration();
        match told.bucket(name).send().await {
            Ok(told) => Ok(told.rules.unwrap_or_default()),
            Err(error) if code_of(&error) == "NoSuchLifecycleConfiguration" => Ok(Vec::new()),
            Err(error) => Err(self.failed("read the lifecycle of bucket", name, error)),
        }
    }
}

fn is_ours(rule: &LifecycleRule) -> bool {
    rule.id.as_deref() == Some(OURS)
}

fn read(rule: &LifecycleRule) -> Lifecycle {
    let expiration = rule.expiration.as_ref();
    let noncurrent = rule.noncurrent_version_expiration.as_ref();
    let says_more = rule.status != ExpirationStatus::Enabled
        || rule.transitions.is_some()
        || rule.noncurrent_version_transitions.is_some()
        || rule.abort_incomplete_multipart_upload.is_some()
        || expiration.is_some_and(|one| {
            one.date.is_some() || one.expired_object_delete_marker == Some(true)
        })
        || noncurrent.is_some_and(|one| one.newer_noncurrent_versions.is_some())
        || rule.filter.as_ref().is_some_and(|filter| {
            filter.prefix().is_some_and(|prefix| !prefix.is_empty())
                || filter.tag().is_some()
                || filter.and().is_some()
                || filter.object_size_greater_than().is_some()
                || filter.object_size_less_than().is_some()
        });
    Lifecycle {
        expiration_days: expiration.and_then(|one| one.days),
        noncurrent_days: noncurrent.and_then(|one| one.noncurrent_days),
        differs: says_more,
    }
}

/// Our rule; `None` where nothing is to expire.
fn rule(days: Option<i32>, noncurrent: Option<i32>) -> Option<LifecycleRule> {
    if days.is_none() && noncurrent.is_none() {
        return None;
    }
    let expiration = days.map(|days| LifecycleExpiration::builder().days(days).build());
    let noncurrent = noncurrent.map(|days| {
        NoncurrentVersionExpiration::builder()
            .noncurrent_days(days)
            .build()
    });
    LifecycleRule::builder()
        .id(OURS)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .set_expiration(expiration)
        .set_noncurrent_version_expiration(noncurrent)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::super::stand_in::StandIn;
    use super::*;

    const THEIRS: &str = "<Rule><ID>theirs</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter>\
                          <Expiration><Days>7</Days></Expiration></Rule>";
    const OUR_RULE: &str = "<Rule><ID>atlas</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>\
                            <Expiration><Days>365</Days></Expiration></Rule>";

    fn endpoint(rules: &'static str) -> StandIn {
        StandIn::start(move |request| match request.method.as_str() {
            "GET" => (
                200,
                format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>"),
            ),
            _ => (200, String::new()),
        })
    }

    #[tokio::test]
    async fn a_rule_of_somebody_else_is_no_difference() {
        let both = endpoint(
            "<Rule><ID>theirs</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter>\
                             <Expiration><Days>7</Days></Expiration></Rule><Rule><ID>atlas</ID><Status>Enabled</Status>\
                             <Filter><Prefix></Prefix></Filter><Expiration><Days>365</Days></Expiration></Rule>",
        );
        let found = both.aws().lifecycle("audit").await.unwrap();
        let ours = Lifecycle {
            expiration_days: Some(365),
            ..Lifecycle::default()
        };
        assert_eq!(found, ours);
        let theirs = endpoint(THEIRS);
        assert_eq!(
            theirs.aws().lifecycle("audit").await.unwrap(),
            Lifecycle::default()
        );
    }

    #[tokio::test]
    async fn a_rule_of_somebody_else_stays_when_ours_is_set_or_taken_away() {
        let server = endpoint(THEIRS);
        server
            .aws()
            .set_lifecycle("audit", Some(30), None)
            .await
            .unwrap();
        let put = server.last();
        assert_eq!(put.method, "PUT");
        assert!(put.body.contains("<ID>theirs</ID>"), "{}", put.body);
        assert!(put.body.contains("<Days>30</Days>"), "{}", put.body);
        server
            .aws()
            .set_lifecycle("audit", None, None)
            .await
            .unwrap();
        let put = server.last();
        assert!(
            put.method == "PUT" && !put.body.contains("<ID>atlas</ID>"),
            "{put:?}"
        );
    }

    #[tokio::test]
    async fn a_lifecycle_with_nothing_left_in_it_is_removed() {
        let server = endpoint(OUR_RULE);
        server
            .aws()
            .set_lifecycle("audit", None, None)
            .await
            .unwrap();
        assert_eq!(server.last().method, "DELETE");
    }
}
