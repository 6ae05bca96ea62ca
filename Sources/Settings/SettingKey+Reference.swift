extension SettingKey {
    /// Its default in words, for the help of its flag.
    package var defaultText: String {
        switch fallback {
        case .text(let text), .computed(let text, _): text
        }
    }

    /// The text of `config/tensorhubd.yaml`: every key, commented out, with its default. A line that starts with `#`
    /// and no blank is a setting.
    public static var referenceFile: String {
        var text = """
            # Settings of tensorhubd, and of tensorhub where they concern it.
            #
            # Every key is listed with its default. A flag (--slots 4) beats the environment (TENSORHUB_SLOTS=4), which
            # beats the user's file ($XDG_CONFIG_HOME/tensorhub/config.yaml), which beats this one
            # (/etc/tensorhub/tensorhubd.yaml). A file named by --config or TENSORHUB_CONFIG takes the place of both.
            # Times are written 90s, 2m or 1h; sizes 512KiB, 64MiB or 2GiB.

            """
        for key in all {
            text += "\n# \(key.summary)\n"
            switch key.fallback {
            case .text(let value): text += "#\(key.name): \(value)\n"
            case .computed(let words, let example): text += "# Default: \(words).\n#\(key.name): \(example)\n"
            }
        }
        return text
    }
}
