"""What the page docs/play.md is made of: `commands` has sentences, `weights` their translators."""
