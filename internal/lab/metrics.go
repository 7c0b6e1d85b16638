package lab

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Metric returns the sum of those series of a metric, in the /metrics of a router's listener for HTTP, that have all of
// the labels, each written as name="value". A metric without such a series is 0.
func Metric(ctx context.Context, port int, name string, labels ...string) (int, error) {
	url := fmt.Sprintf("http://127.0.0.1:%d/metrics", port)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", url, response.Status)
	}
	sum := 0.0
	lines := bufio.NewScanner(response.Body)
series:
	for lines.Scan() {
		series, value, _ := strings.Cut(strings.TrimPrefix(lines.Text(), name+"{"), "} ")
		if series == lines.Text() {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(","+series+",", ","+label+",") {
				continue series
			}
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %q: %w", url, lines.Text(), err)
		}
		sum += v
	}
	return int(sum), lines.Err()
}
