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
	all, err := Series(ctx, port, name)
	if err != nil {
		return 0, err
	}
	sum := 0.0
series:
	for series, value := range all {
		for _, label := range labels {
			if !strings.Contains(","+series+",", ","+label+",") {
				continue series
			}
		}
		sum += value
	}
	return int(sum), nil
}

// Series returns all series of a metric, in the /metrics of a router's listener for HTTP, by their labels as they are
// written there. The one of a metric without labels is named "".
func Series(ctx context.Context, port int, name string) (map[string]float64, error) {
	url := fmt.Sprintf("http://127.0.0.1:%d/metrics", port)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Close = true // a router that is to end has no connection of ours
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	all := make(map[string]float64)
	for lines := bufio.NewScanner(response.Body); ; {
		if !lines.Scan() {
			return all, lines.Err()
		}
		series, ours := strings.CutPrefix(lines.Text(), name)
		if !ours || series == "" || series[0] != '{' && series[0] != ' ' {
			continue
		}
		labels, value, _ := strings.Cut(strings.TrimPrefix(series, "{"), "} ")
		if series[0] == ' ' {
			labels, value = "", series[1:]
		}
		if all[labels], err = strconv.ParseFloat(value, 64); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", url, lines.Text(), err)
		}
	}
}
