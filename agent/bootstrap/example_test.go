// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package bootstrap_test

import (
	"fmt"

	"github.com/enmesh-go/enmesh/agent/bootstrap"
)

func ExampleConfig_JSON() {
	text, err := bootstrap.Config{
		NodeID:         "reviews-1",
		Namespace:      "shop",
		ServiceAccount: "reviews",
		Labels:         map[string]string{"app": "reviews"},
	}.JSON()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(text))
	// Output:
	// {
	//   "xds_servers": [
	//     {
	//       "server_uri": "unix:///run/enmesh/xds.sock",
	//       "channel_creds": [
	//         {
	//           "type": "insecure"
	//         }
	//       ],
	//       "server_features": [
	//         "xds_v3"
	//       ]
	//     }
	//   ],
	//   "node": {
	//     "id": "reviews-1",
	//     "cluster": "reviews",
	//     "locality": {},
	//     "metadata": {
	//       "namespace": "shop",
	//       "service_account": "reviews",
	//       "labels": {
	//         "app": "reviews"
	//       }
	//     }
	//   },
	//   "server_listener_resource_name_template": "grpc/server?xds.resource.listening_address=%s"
	// }
}
