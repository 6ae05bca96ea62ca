/// The version of this release, as `--version` prints it.
package let version = "0.2.0"
