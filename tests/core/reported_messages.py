"""Messages of the service as users reported them, with the fault that each one stands for."""

from cognito_async.errors import Fault

GITHUB = "https://github.com/"
GUIDE = "https://docs.aws.amazon.com/cognito/latest/developerguide/"
REFUSED = ("NotAuthorizedException", "InvalidParameterException")
DELIVERY = ("LimitExceededException", "CodeDeliveryFailureException", "InvalidParameterException")

REPORTED_MESSAGES: list[tuple[Fault, tuple[str, ...], str, str]] = [
    (
        Fault.APP_CLIENT,
        REFUSED,
        "Unable to verify secret hash for client 1example23456789",
        f"{GITHUB}aws-amplify/amplify-js/issues/277",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        "Client 1example23456789 is configured with secret but SECRET_HASH was not received",
        f"{GITHUB}aws-amplify/amplify-android/issues/2504",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        "Client 1example23456789 is configured for secret but secret was not received",
        f"{GITHUB}nordcloud/cognitocurl/issues/53",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        "Client 1example23456789 is not configured for secret but secret hash was received",
        f"{GITHUB}awslabs/aws-sdk-ios-samples/issues/102",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        "App client 1example23456789 is not configured for secret but secret hash was received",
        f"{GITHUB}pmill/aws-cognito/pull/23",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        "SecretHash does not match for the client: 1example23456789",
        "https://dev.to/shamsup/creating-the-secret-hash-for-aws-cognito-in-nodejs-50f7",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        "USER_PASSWORD_AUTH flow not enabled for this client",
        f"{GITHUB}floci-io/floci/pull/3974",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        "Auth flow not enabled for this client",
        f"{GUIDE}amazon-cognito-user-pools-authentication-flow-methods.html",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        "Initiate Auth method not supported.",
        f"{GITHUB}getmoto/moto/pull/4836",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        "A client attempted to write unauthorized attribute",
        f"{GITHUB}aws/aws-sdk-js/issues/1319",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        "Access Token does not have required scopes",
        f"{GITHUB}aws-amplify/amplify-js/issues/1906",
    ),
    (
        Fault.APP_CLIENT,
        ("InvalidParameterException",),
        (
            "1 validation error detected: Value 'x y' at 'clientId' failed to satisfy constraint: Member"
            " must satisfy regular expression pattern: [\\w+]+"
        ),
        "https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ForgotPassword.html",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        "SignUp is not permitted for this user pool",
        f"{GITHUB}pmill/aws-cognito/issues/37",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        "Contact administrator to reset password",
        f"{GUIDE}managing-users-passwords.html",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        "Custom auth lambda trigger is not configured for the user pool.",
        f"{GITHUB}aws-amplify/amplify-js/issues/5623",
    ),
    (
        Fault.APP_CLIENT,
        REFUSED,
        (
            "Cannot perform specific action because there does not exist a valid use pool domain"
            " associated with the user pool"
        ),
        f"{GITHUB}anomalyco/guide/issues/133",
    ),
    (
        Fault.USER,
        ("ResourceNotFoundException",),
        "Device does not exist.",
        f"{GITHUB}aws-amplify/amplify-android/pull/2605",
    ),
    (
        Fault.USER,
        ("ResourceNotFoundException",),
        "Device not found.",
        f"{GITHUB}aws-amplify/amplify-js/issues/8895",
    ),
    (
        Fault.QUOTA,
        DELIVERY,
        (
            "Exceeded daily email limit for the operation or the account. If a higher limit is required,"
            " please configure your user pool to use your own Amazon SES configuration for sending email."
        ),
        f"{GITHUB}rahulpsd18/cognito-backup-restore/issues/46",
    ),
    (
        Fault.QUOTA,
        DELIVERY,
        "Daily message quota exceeded",
        "https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html",
    ),
    (
        Fault.QUOTA,
        DELIVERY,
        "Maximum sending rate exceeded",
        "https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html",
    ),
    (
        Fault.PERMISSIONS,
        REFUSED,
        "User: arn:aws:iam::111122223333:user/ada is not authorized to perform: cognito-idp:AdminGetUser",
        f"{GUIDE}security_iam_troubleshoot.html",
    ),
    (
        Fault.PERMISSIONS,
        ("InvalidParameterException", "CodeDeliveryFailureException"),
        (
            "Cognito received the following error from Amazon SES when attempting to send email: Email"
            " address is not verified. The following identities failed the check in region US-EAST-1:"
            " ada@example.com"
        ),
        f"{GITHUB}aws/aws-cdk/issues/18964",
    ),
    (
        Fault.TRIGGER,
        REFUSED,
        "PreSignUp failed with error callback is not a function.",
        f"{GITHUB}aws-amplify/amplify-flutter/pull/1051",
    ),
    (
        Fault.TRIGGER,
        REFUSED,
        "PreTokenGeneration invocation failed due to error AccessDeniedException.",
        f"{GITHUB}anomalyco/sst/issues/4421",
    ),
]
"""The fault, the codes that the message comes with, the message, and the page that reports or explains it."""
