using System.Globalization;
using System.Text.Json.Nodes;
using AiFabric.Crds.Common;
using AiFabric.Crds.Pipelines;
using AiFabric.Operator.Models;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Validation;
using k8s;
using k8s.Models;

namespace AiFabric.Operator.Pipelines;

/// <summary>Makes the Deployment of a function stage. Pure.</summary>
internal static class FunctionTemplate
{
    public const string AppName = "aifabric-function";

    private const int RevisionHistory = 3;

    public static V1Deployment Deployment(Pipeline pipeline, StageSpec stage, bool restricted)
    {
        V1PodTemplateSpec template = Template(pipeline, stage, restricted);
        return new V1Deployment
        {
            ApiVersion = "apps/v1",
            Kind = "Deployment",
            Metadata = new V1ObjectMeta
            {
                Name = PipelineRules.FullName(pipeline, stage),
                NamespaceProperty = pipeline.Metadata.NamespaceProperty,
                Labels = LabelsOf(pipeline, stage),
                OwnerReferences =
                [
                    new V1OwnerReference
                    {
                        ApiVersion = Group.ApiVersion,
                        Kind = "Pipeline",
                        Name = pipeline.Metadata.Name,
                        Uid = pipeline.Metadata.Uid,
                        Controller = true,
                        BlockOwnerDeletion = true,
                    },
                ],
            },
            Spec = new V1DeploymentSpec
            {
                Replicas = stage.FunctionRef!.Replicas ?? 1, // As the caller promises.
                RevisionHistoryLimit = RevisionHistory,
                Selector = new V1LabelSelector { MatchLabels = LabelsOf(pipeline, stage) },
                Strategy = new V1DeploymentStrategy { Type = "RollingUpdate", RollingUpdate = new V1RollingUpdateDeployment { MaxSurge = 1, MaxUnavailable = 0 } },
                Template = template,
            },
        };
    }

    private static V1PodTemplateSpec Template(Pipeline pipeline, StageSpec stage, bool restricted)
    {
        FunctionSpec function = stage.FunctionRef!; // As the caller promises.
        int port = function.Port ?? Ports.FunctionNumber;
        var template = new V1PodTemplateSpec
        {
            Metadata = new V1ObjectMeta { Labels = LabelsOf(pipeline, stage) },
            Spec = new V1PodSpec
            {
                AutomountServiceAccountToken = false,
                SecurityContext = restricted ? PodSecurity.OfPod() : null,
                Containers =
                [
                    new V1Container
                    {
                        Name = "function",
                        Image = function.Image,
                        Command = function.Command,
                        Args = function.Args,
                        Resources = function.Resources,
                        Env =
                        [
                            new V1EnvVar { Name = "PORT", Value = port.ToString(CultureInfo.InvariantCulture) },
                            new V1EnvVar { Name = PodTemplateBuilder.PodIpVariable, ValueFrom = new V1EnvVarSource { FieldRef = new V1ObjectFieldSelector { ApiVersion = "v1", FieldPath = "status.podIP" } } },
                        ],
                        Ports = [new V1ContainerPort { Name = Ports.Serving, ContainerPort = port, Protocol = "TCP" }],
                        ReadinessProbe = new V1Probe { TcpSocket = new V1TCPSocketAction { Port = Ports.Serving }, PeriodSeconds = 2 },
                        SecurityContext = restricted ? PodSecurity.OfContainer() : null,
                    },
                ],
            },
        };
        template.Metadata.Labels[Labels.Revision] = CanonicalJson.Hash(JsonNode.Parse(KubernetesJson.Serialize(template)));
        return template;
    }

    private static Dictionary<string, string> LabelsOf(Pipeline pipeline, StageSpec stage) => new()
    {
        [Labels.AppName] = AppName,
        [Labels.AppInstance] = pipeline.Metadata.Name,
        [Labels.AppComponent] = stage.Name,
        [Labels.AppManagedBy] = OwnedMetadata.ManagedBy,
        [Labels.Pipeline] = pipeline.Metadata.Name,
        [Labels.Stage] = stage.Name,
    };
}
