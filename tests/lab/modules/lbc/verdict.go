package main

import (
	"cmp"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"sigs.k8s.io/aws-load-balancer-controller/pkg/model/core"
	"sigs.k8s.io/aws-load-balancer-controller/pkg/model/elbv2"
)

// A Verdict is what the controller would create, or why it creates nothing.
type Verdict struct {
	Supported     bool              `json:"supported"`
	Error         *string           `json:"error"`
	Scheme        string            `json:"scheme,omitempty"`
	IPAddressType string            `json:"ipAddressType,omitempty"`
	SourceNAT     string            `json:"sourceNat,omitempty"`
	Attributes    map[string]string `json:"attributes"`
	Listeners     []Listener        `json:"listeners"`
}

// A Listener of the load balancer, with the groups that it forwards to.
type Listener struct {
	Port         int32         `json:"port"`
	Protocol     string        `json:"protocol"`
	TargetGroups []TargetGroup `json:"targetGroups"`
}

// A TargetGroup as the controller would create it.
type TargetGroup struct {
	Protocol      string                              `json:"protocol"`
	TargetType    string                              `json:"targetType"`
	Port          int32                               `json:"port"`
	IPAddressType string                              `json:"ipAddressType"`
	HealthCheck   *elbv2.TargetGroupHealthCheckConfig `json:"healthCheck"`
	Attributes    map[string]string                   `json:"attributes"`
}

func (v *Verdict) refuse(why string) {
	v.Error = &why
}

func (v *Verdict) fill(stack core.Stack, loadBalancer *elbv2.LoadBalancer) error {
	v.Listeners = []Listener{}
	if loadBalancer == nil {
		return nil
	}
	spec := loadBalancer.Spec
	v.Scheme, v.IPAddressType = string(spec.Scheme), string(spec.IPAddressType)
	v.SourceNAT = string(spec.EnablePrefixForIpv6SourceNat)
	v.Attributes = map[string]string{}
	for _, attribute := range spec.LoadBalancerAttributes {
		v.Attributes[attribute.Key] = attribute.Value
	}
	var listeners []*elbv2.Listener
	if err := stack.ListResources(&listeners); err != nil {
		return err
	}
	slices.SortFunc(listeners, func(a, b *elbv2.Listener) int { return cmp.Compare(a.Spec.Port, b.Spec.Port) })
	for _, listener := range listeners {
		v.Listeners = append(v.Listeners, Listener{
			Port:         listener.Spec.Port,
			Protocol:     string(listener.Spec.Protocol),
			TargetGroups: targetGroups(listener),
		})
	}
	return nil
}

// targetGroups holds those that the stack creates; an action may also name one that exists already.
func targetGroups(listener *elbv2.Listener) []TargetGroup {
	groups := []TargetGroup{}
	for _, action := range listener.Spec.DefaultActions {
		for _, target := range action.ForwardConfig.TargetGroups {
			for _, resource := range target.TargetGroupARN.Dependencies() {
				if group, ours := resource.(*elbv2.TargetGroup); ours {
					groups = append(groups, written(&group.Spec))
				}
			}
		}
	}
	return groups
}

func written(spec *elbv2.TargetGroupSpec) TargetGroup {
	attributes := map[string]string{}
	for _, attribute := range spec.TargetGroupAttributes {
		attributes[attribute.Key] = attribute.Value
	}
	return TargetGroup{
		Protocol:      string(spec.Protocol),
		TargetType:    string(spec.TargetType),
		Port:          awssdk.ToInt32(spec.Port),
		IPAddressType: string(spec.IPAddressType),
		HealthCheck:   spec.HealthCheckConfig,
		Attributes:    attributes,
	}
}
