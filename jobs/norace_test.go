//go:build !race

package jobs_test

// raceDetector says that the tests run under the race detector, which makes each several times as slow.
const raceDetector = false
