// Package configuration holds the commands check and convert, which read configuration files and run no router.
package configuration
