package main

import (
	"context"
	"fmt"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/go-logr/logr"
	"github.com/golang/mock/gomock"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/aws-load-balancer-controller/pkg/annotations"
	"sigs.k8s.io/aws-load-balancer-controller/pkg/aws/services"
	"sigs.k8s.io/aws-load-balancer-controller/pkg/config"
	"sigs.k8s.io/aws-load-balancer-controller/pkg/deploy/elbv2"
	"sigs.k8s.io/aws-load-balancer-controller/pkg/deploy/tracking"
	lbcmetrics "sigs.k8s.io/aws-load-balancer-controller/pkg/metrics/lbc"
	"sigs.k8s.io/aws-load-balancer-controller/pkg/networking"
	"sigs.k8s.io/aws-load-balancer-controller/pkg/service"
	"sigs.k8s.io/aws-load-balancer-controller/pkg/shared_constants"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	annotationPrefix = "service.beta.kubernetes.io"
	tagPrefix        = "service.k8s.aws"
	clusterName      = "games"
	vpcID            = "vpc-1"
	sslPolicy        = "ELBSecurityPolicy-2016-08"
)

// A Cluster is how the controller was started and what it finds in AWS.
type Cluster struct {
	LoadBalancerClass string          `json:"loadBalancerClass"`
	DefaultTargetType string          `json:"defaultTargetType"`
	DefaultScheme     string          `json:"defaultScheme"`
	FeatureGates      map[string]bool `json:"featureGates"`
	Subnets           []Subnet        `json:"subnets"`
}

// A Subnet of the VPC, with the ranges of its two families.
type Subnet struct {
	ID   string   `json:"id"`
	IPv4 string   `json:"ipv4"`
	IPv6 []string `json:"ipv6"`
}

type controller struct {
	utils   service.ServiceUtils
	builder service.ModelBuilder
	metrics lbcmetrics.MetricCollector
}

func newController(asked *Case) controller {
	gates := config.NewFeatureGates()
	for name, on := range asked.Cluster.FeatureGates {
		if on {
			gates.Enable(config.Feature(name))
		} else {
			gates.Disable(config.Feature(name))
		}
	}
	mocks := gomock.NewController(unexpectedCalls{})
	parser := annotations.NewSuffixAnnotationParser(annotationPrefix)
	utils := service.NewServiceUtils(
		parser, shared_constants.ServiceFinalizer, asked.Cluster.LoadBalancerClass, gates)
	metrics := lbcmetrics.NewMockCollector()
	const enableBackendSG, manageBackendSGRules, disableRestrictedSGRules = true, false, false
	builder := service.NewDefaultModelBuilder(
		parser,
		subnetsOf(asked.Cluster, mocks),
		vpc(mocks),
		vpcID,
		tracking.NewDefaultProvider(tagPrefix, clusterName),
		noLoadBalancersYet(mocks),
		services.NewMockEC2(mocks),
		gates,
		clusterName,
		nil,
		nil,
		sslPolicy,
		asked.Cluster.DefaultTargetType,
		asked.Cluster.DefaultScheme,
		gates.Enabled(config.EnableIPTargetType),
		utils,
		backendSecurityGroup(mocks),
		securityGroups(mocks),
		enableBackendSG,
		manageBackendSGRules,
		disableRestrictedSGRules,
		logr.Discard(),
		metrics,
		gates.Enabled(config.EnableTCPUDPListenerType),
		service.NewDefaultEnhancedBackendBuilder(namespace{known: asked.Siblings, own: &asked.Service}, parser, logr.Discard()),
	)
	return controller{utils, builder, metrics}
}

// subnetsOf finds the cluster's subnets by discovery, or by the ids that an annotation names.
func subnetsOf(cluster Cluster, mocks *gomock.Controller) networking.SubnetsResolver {
	var all []ec2types.Subnet
	for _, subnet := range cluster.Subnets {
		all = append(all, described(subnet))
	}
	byID := func(_ context.Context, ids []string, _ ...networking.SubnetsResolveOption) ([]ec2types.Subnet, error) {
		var found []ec2types.Subnet
		for _, id := range ids {
			at := slices.IndexFunc(all, func(subnet ec2types.Subnet) bool { return *subnet.SubnetId == id })
			if at < 0 {
				return nil, fmt.Errorf("couldn't find subnet %s", id)
			}
			found = append(found, all[at])
		}
		return found, nil
	}
	resolver := networking.NewMockSubnetsResolver(mocks)
	resolver.EXPECT().ResolveViaDiscovery(gomock.Any(), gomock.Any()).Return(all, nil).AnyTimes()
	resolver.EXPECT().ResolveViaNameOrIDSlice(gomock.Any(), gomock.Any(), gomock.Any()).DoAndReturn(byID).AnyTimes()
	return resolver
}

func described(subnet Subnet) ec2types.Subnet {
	associated := &ec2types.SubnetCidrBlockState{State: ec2types.SubnetCidrBlockStateCodeAssociated}
	described := ec2types.Subnet{SubnetId: awssdk.String(subnet.ID), CidrBlock: awssdk.String(subnet.IPv4)}
	for _, cidr := range subnet.IPv6 {
		described.Ipv6CidrBlockAssociationSet = append(described.Ipv6CidrBlockAssociationSet,
			ec2types.SubnetIpv6CidrBlockAssociation{Ipv6CidrBlock: awssdk.String(cidr), Ipv6CidrBlockState: associated})
	}
	return described
}

func vpc(mocks *gomock.Controller) networking.VPCInfoProvider {
	provider := networking.NewMockVPCInfoProvider(mocks)
	provider.EXPECT().FetchVPCInfo(gomock.Any(), gomock.Any(), gomock.Any()).Return(networking.VPCInfo{}, nil).AnyTimes()
	return provider
}

func noLoadBalancersYet(mocks *gomock.Controller) elbv2.TaggingManager {
	tagging := elbv2.NewMockTaggingManager(mocks)
	tagging.EXPECT().ListLoadBalancers(gomock.Any(), gomock.Any()).Return(nil, nil).AnyTimes()
	return tagging
}

func backendSecurityGroup(mocks *gomock.Controller) networking.BackendSGProvider {
	provider := networking.NewMockBackendSGProvider(mocks)
	provider.EXPECT().Get(gomock.Any(), gomock.Any(), gomock.Any()).Return("sg-backend", nil).AnyTimes()
	return provider
}

func securityGroups(mocks *gomock.Controller) networking.SecurityGroupResolver {
	resolver := networking.NewMockSecurityGroupResolver(mocks)
	resolver.EXPECT().ResolveViaNameOrID(gomock.Any(), gomock.Any()).DoAndReturn(
		func(_ context.Context, names []string) ([]string, error) { return names, nil }).AnyTimes()
	return resolver
}

// A namespace answers the controller's look-ups of other Services.
type namespace struct {
	client.Client
	known []corev1.Service
	own   *corev1.Service
}

func (n namespace) Get(_ context.Context, key client.ObjectKey, found client.Object, _ ...client.GetOption) error {
	if key.Name == n.own.Name {
		n.own.DeepCopyInto(found.(*corev1.Service))
		return nil
	}
	for i := range n.known {
		if n.known[i].Name == key.Name {
			n.known[i].DeepCopyInto(found.(*corev1.Service))
			return nil
		}
	}
	return apierrors.NewNotFound(corev1.Resource("services"), key.Name)
}

// unexpectedCalls ends the program at a call to AWS that no mock expects: it must not pass for a verdict.
type unexpectedCalls struct{}

type unexpectedCall string

func (unexpectedCalls) Errorf(format string, args ...any) {
	panic(unexpectedCall(fmt.Sprintf(format, args...)))
}

func (unexpectedCalls) Fatalf(format string, args ...any) {
	panic(unexpectedCall(fmt.Sprintf(format, args...)))
}
