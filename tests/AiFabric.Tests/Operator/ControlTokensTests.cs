using System.Text;
using AiFabric.Crds.CoServedModels;
using AiFabric.Operator;
using AiFabric.Operator.Workers;
using AiFabric.Tests.Kube;
using k8s.Models;
using Microsoft.Extensions.Options;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class ControlTokensTests : IDisposable
{
    private const string Secret = "demo-control";

    private readonly FakeApiServer _server = new();
    private readonly ControlTokens _tokens;

    public ControlTokensTests() => _tokens = new ControlTokens(_server.Client(), Options.Create(new OperatorOptions()), TimeProvider.System);

    public void Dispose() => _server.Dispose();

    [Fact]
    public async Task The_Secret_of_a_deleted_model_of_the_same_name_is_waited_out()
    {
        string? old = await _tokens.EnsureAsync(Make.Model(), default);
        _tokens.Forget(Make.Space, "demo"); // The model is gone; its Secret is collected a moment later.
        CoServedModel model = Make.Model();
        model.Metadata.Uid = "second-uid";
        Assert.Null(await _tokens.EnsureAsync(model, default));
        Assert.Equal(old, await _tokens.FindAsync(Make.Space, "demo", default)); // Pods that are about to go still answer to it.
        model.Status = new CoServedModelStatus { ObservedGeneration = 1 };
        Assert.Null(await _tokens.EnsureAsync(model, default));

        _server.Remove<V1Secret>(Secret, Make.Space);
        string? made = await _tokens.EnsureAsync(model, default);
        Assert.NotNull(made);
        Assert.NotEqual(old, made);
        Assert.Equal("second-uid", _server.Find<V1Secret>(Secret, Make.Space)!.Metadata.OwnerReferences.Single().Uid);
    }

    [Fact]
    public async Task A_Secret_that_somebody_else_keeps_is_used_as_it_is()
    {
        _server.Put(new V1Secret
        {
            Metadata = new V1ObjectMeta
            {
                Name = Secret,
                NamespaceProperty = Make.Space,
                OwnerReferences = [new V1OwnerReference { ApiVersion = "external-secrets.io/v1", Kind = "ExternalSecret", Name = "demo", Uid = "other", Controller = true }],
            },
            Data = new Dictionary<string, byte[]> { [ControlTokens.Key] = Encoding.UTF8.GetBytes("theirs") },
        });
        Assert.Equal("theirs", await _tokens.EnsureAsync(Make.Model(), default));
    }
}
