// Package windrowtest is a test kit.
package windrowtest
