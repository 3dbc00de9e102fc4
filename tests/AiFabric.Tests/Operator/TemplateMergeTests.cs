using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Models;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class TemplateMergeTests
{
    [Fact]
    public void A_volumes_source_displaces_any_other_and_merges_with_its_like()
    {
        var disk = new V1Volume { Name = "v", EmptyDir = new V1EmptyDirVolumeSource { SizeLimit = new ResourceQuantity("1Gi") } };
        var claim = new V1Volume { Name = "v", PersistentVolumeClaim = new V1PersistentVolumeClaimVolumeSource { ClaimName = "mine" } };
        var memory = new V1Volume { Name = "v", EmptyDir = new V1EmptyDirVolumeSource { Medium = "Memory" } };

        V1Volume other = Volume(disk, claim);
        Assert.Null(other.EmptyDir);
        Assert.Equal("mine", other.PersistentVolumeClaim.ClaimName);

        V1Volume same = Volume(disk, memory);
        Assert.Equal(("Memory", "1Gi"), (same.EmptyDir.Medium, same.EmptyDir.SizeLimit.ToString()));
    }

    [Fact]
    public void A_variables_value_displaces_any_other()
    {
        var text = new V1EnvVar { Name = "X", Value = "4" };
        var field = new V1EnvVar { Name = "X", ValueFrom = new V1EnvVarSource { ResourceFieldRef = new V1ResourceFieldSelector { Resource = "limits.cpu" } } };
        var map = new V1EnvVar { Name = "X", ValueFrom = new V1EnvVarSource { ConfigMapKeyRef = new V1ConfigMapKeySelector { Name = "settings", Key = "x" } } };

        Assert.Equal("4", Variable(field, text).Value);
        Assert.Null(Variable(field, text).ValueFrom);

        Assert.Null(Variable(text, map).Value);
        Assert.Null(Variable(field, map).ValueFrom.ResourceFieldRef);
        Assert.Equal("settings", Variable(field, map).ValueFrom.ConfigMapKeyRef.Name);
    }

    [Fact]
    public void A_users_threads_are_a_variable_of_one_value()
    {
        CoServedModel model = Make.Model(spec => spec.Template = WithWorker(new V1Container
        {
            Name = "worker",
            Env = [new V1EnvVar { Name = PodTemplateBuilder.ThreadsVariable, Value = "4" }],
        }));
        V1EnvVar threads = Assert.Single(
            PodTemplateBuilder.Build(model, Make.Settings, "t").Spec.Containers[0].Env, variable => variable.Name == PodTemplateBuilder.ThreadsVariable);
        Assert.Equal("4", threads.Value);
        Assert.Null(threads.ValueFrom);
    }

    [Fact]
    public void A_users_volume_is_his_own_whatever_he_calls_it_and_the_operators_folders_stay_where_they_are()
    {
        string[] names = ["data", "tmp", "model-cache", "pvc-shared"];
        CoServedModel model = Make.Model(spec => spec.Template = WithWorker(
            new V1Container { Name = "worker", VolumeMounts = [.. names.Select(name => new V1VolumeMount { Name = name, MountPath = "/mine/" + name })] },
            [.. names.Select(name => Claim(name, "my-" + name))]));
        V1PodSpec pod = PodTemplateBuilder.Build(model, Make.Settings with { Cache = new() { HostPath = "/cache" } }, "t").Spec;

        Assert.All(names, name => Assert.Equal("my-" + name, At(pod, "/mine/" + name).PersistentVolumeClaim.ClaimName));
        Assert.NotNull(At(pod, "/tmp").EmptyDir);
        Assert.NotNull(At(pod, "/data").EmptyDir);
        Assert.NotNull(At(pod, "/cache").HostPath);
        Assert.All(pod.Volumes, volume => Assert.Single(new object?[] { volume.EmptyDir, volume.HostPath, volume.PersistentVolumeClaim }, source => source is not null));

        PodSettings claimed = Make.Settings with { Data = Make.Uri("pvc://shared/aifabric") };
        Assert.Equal("shared", At(PodTemplateBuilder.Build(model, claimed, "t").Spec, "/mnt/pvc/shared").PersistentVolumeClaim.ClaimName);
    }

    [Fact]
    public void A_user_who_names_the_operators_volume_puts_his_own_there()
    {
        CoServedModel model = Make.Model(spec => spec.Template = WithWorker(new V1Container { Name = "worker" }, Claim("aifabric-data", "mine")));
        V1Volume data = At(PodTemplateBuilder.Build(model, Make.Settings, "t").Spec, "/data");
        Assert.Equal("mine", data.PersistentVolumeClaim.ClaimName);
        Assert.Null(data.EmptyDir);
    }

    private static V1Volume Volume(V1Volume operators, V1Volume users) => Assert.Single(Over(
        new V1PodSpec { Volumes = [operators] }, new V1PodSpec { Volumes = [users] }).Volumes);

    private static V1EnvVar Variable(V1EnvVar operators, V1EnvVar users) => Assert.Single(Assert.Single(Over(
        WithWorker(new V1Container { Name = "worker", Env = [operators] }).Spec, WithWorker(new V1Container { Name = "worker", Env = [users] }).Spec).Containers).Env);

    private static V1PodSpec Over(V1PodSpec operators, V1PodSpec users) =>
        TemplateMerge.Over(new V1PodTemplateSpec { Spec = operators }, new V1PodTemplateSpec { Spec = users }).Spec;

    private static V1Volume Claim(string name, string claim) =>
        new() { Name = name, PersistentVolumeClaim = new V1PersistentVolumeClaimVolumeSource { ClaimName = claim } };

    private static V1PodTemplateSpec WithWorker(V1Container worker, params V1Volume[] volumes) =>
        new() { Spec = new V1PodSpec { Containers = [worker], Volumes = volumes } };

    /// <summary>The volume that the worker has at a path.</summary>
    private static V1Volume At(V1PodSpec pod, string path) =>
        pod.Volumes.Single(volume => volume.Name == pod.Containers[0].VolumeMounts.Single(mount => mount.MountPath == path).Name);
}
