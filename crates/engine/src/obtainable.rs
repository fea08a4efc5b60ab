//! Whether an image can be had, asked before anything is given up for a container of it.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use crate::context::Context;
use crate::docker::Obtainable;
use crate::error::{Problem, Result, refuse};
use crate::path::FieldPath;

/// What is given up before an image is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The object, with what it holds.
    Whole,
    /// Containers that are made anew in place. Where their image is missing then, the change fails before it removes them.
    Containers,
}

impl Loss {
    /// That of a replacement, or of a change in place.
    pub fn of(is_replaced: bool) -> Self {
        if is_replaced {
            Self::Whole
        } else {
            Self::Containers
        }
    }
}

/// Refuses images that the daemon has not and cannot pull, each at its field; where an object is to go for it, those too of
/// which nobody knows.
///
/// # Errors
/// [`crate::Error::Invalid`]; what Docker says.
pub async fn admit(cx: &Context, loss: Loss, images: &[(FieldPath, &str)]) -> Result<()> {
    // One that several fields name is asked about once, and told at the first.
    let mut wanted = BTreeMap::new();
    for (path, image) in images {
        wanted.entry(*image).or_insert(path);
    }
    let asked = wanted.into_iter().map(|(image, path)| async move {
        let found = cx.docker.obtainable(image).await?;
        Ok::<_, crate::Error>(problem(image, path, loss, found))
    });
    let asked = cx.guard("asking whether images can be had", try_join_all(asked));
    refuse(asked.await?.into_iter().flatten().collect())
}

fn problem(image: &str, path: &FieldPath, loss: Loss, found: Obtainable) -> Option<Problem> {
    let (message, remedy) = match found {
        Obtainable::Yes => return None,
        Obtainable::Unknown(_) if loss == Loss::Containers => return None,
        Obtainable::No(reason) => (
            format!(
                "Docker has no image {image}, and it cannot be pulled: {reason}. Nothing is removed for it."
            ),
            "Correct the name or its tag, or load the image into Docker (`docker load`)."
                .to_owned(),
        ),
        Obtainable::Unknown(reason) => (
            format!(
                "Docker has no image {image}, and whether it can be pulled is not known: {reason}. Nothing is removed for \
                 what may not be had."
            ),
            format!("Get it first: `docker pull {image}`, or `docker load`."),
        ),
    };
    Some(Problem::new(path.clone(), message, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_refused_at_its_field_with_what_would_be_right() {
        let field = FieldPath::of("image");
        let of = |found| problem("atlas/nod:1", &field, Loss::Whole, found);
        assert_eq!(of(Obtainable::Yes), None);
        let in_place = |found| problem("atlas/nod:1", &field, Loss::of(false), found);
        assert_eq!(in_place(Obtainable::Unknown(String::new())), None);
        assert!(in_place(Obtainable::No(String::new())).is_some());
        let table = [
            (
                Obtainable::No("denied".into()),
                ["cannot be pulled: denied", "Correct the name"],
            ),
            (
                Obtainable::Unknown("no such host".into()),
                ["not known: no such host", "docker pull atlas/nod:1"],
            ),
        ];
        for (found, parts) in table {
            let told = of(found).unwrap().to_string();
            assert!(told.starts_with("image: "), "{told}");
            for part in parts.into_iter().chain(["Nothing is removed"]) {
                assert!(told.contains(part), "{part}: {told}");
            }
        }
    }
}
